import { readdir, readFile } from 'node:fs/promises';
import { isAnimatedPng, mayBeAnimated } from '../animation.js';
import { decodeBmp } from '../bmp.js';
import { givenBytes, isRemote } from '../given.js';
import type { RgbaImage } from '../image-source.js';
import type { BinarySource } from '../source-input.js';
import { imageDecoder } from './image-decoder.js';

/** Bytes of a file, a URL, a Blob, or the given bytes themselves. @throws SourceError for something else, or what cannot be fetched */
export async function readBinary(source: BinarySource): Promise<Uint8Array> {
  if ((typeof source === 'string' || source instanceof URL) && !isRemote(source)) return readFile(source);
  return givenBytes(source);
}

/** Names of what a folder holds, or undefined if there is no such folder. */
export async function listFolder(path: string): Promise<string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const isBmp = (bytes: Uint8Array) => bytes[0] === 0x42 && bytes[1] === 0x4d;

/** Messages of decoders that mean a damaged picture. Others are about the file's form, and every reader shows the picture. */
const DAMAGE = /huffman|premature end|instead of RST|crc error|truncated|not enough data|bad data/i;
const isJpeg = (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8;

type Decode = (bytes: Uint8Array, failOn: 'warning' | 'error') => Promise<RgbaImage>;

/** Decodes what Pillow, OpenCV and browsers read without damage, whatever the decoder warns of. */
async function decodeTolerantly(bytes: Uint8Array, decode: Decode): Promise<RgbaImage> {
  try {
    return await decode(bytes, 'warning');
  } catch (cause) {
    if (!DAMAGE.test((cause as Error).message)) return decode(bytes, 'error');
    if (!isJpeg(bytes)) throw cause;
    // Only the end marker may be missing.
    const ended = new Uint8Array(bytes.length + 2);
    ended.set(bytes);
    ended.set([0xff, 0xd9], bytes.length);
    return decode(ended, 'warning').catch(() => {
      throw cause;
    });
  }
}

async function decodePage(bytes: Uint8Array, page: number): Promise<RgbaImage> {
  const sharp = await imageDecoder();
  return decodeTolerantly(bytes, async (data, failOn) => {
    const { data: rgba, info } = await sharp(data, { failOn, ignoreIcc: true, page })
      .autoOrient()
      .toColourspace('srgb')
      .ensureAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, rgba: new Uint8Array(rgba.buffer, rgba.byteOffset, rgba.length) };
  });
}

/** Pictures in an image file, and how long each is shown, in seconds, where the file says so. */
export async function readAnimation(
  bytes: Uint8Array,
): Promise<{ count: number; durations: number[]; load(index: number): Promise<RgbaImage> } | undefined> {
  if (!mayBeAnimated(bytes)) return undefined;
  if (isAnimatedPng(bytes))
    throw new Error('animated: of an animated PNG only the first picture can be read; convert it to a video');
  const sharp = await imageDecoder();
  const { pages = 1, delay = [] } = await sharp(bytes).metadata();
  if (pages < 2) return undefined;
  return { count: pages, durations: delay.map((ms) => ms / 1000), load: (index) => decodePage(bytes, index) };
}

/**
 * Decodes an image (JPEG, PNG, WebP, BMP; whatever else libvips reads) to RGBA, upright by its EXIF orientation.
 *
 * ICC profiles are ignored, as PIL, OpenCV and `colorSpaceConversion: 'none'` do; JPEG pixels are then equal to PIL's
 * (measured on DAVIS frames, 4:2:0: no difference). Damaged data is an error, not a grey patch; harmless warnings of a decoder are not.
 * Of an animation nothing is read: that is an error.
 */
export async function decodeImage(bytes: Uint8Array): Promise<RgbaImage> {
  if (isBmp(bytes)) return decodeBmp(bytes);
  const animation = await readAnimation(bytes);
  if (animation) throw new Error(`animated: it holds ${animation.count} pictures, where one is needed`);
  return decodePage(bytes, 0);
}
