import { hasPngSignature } from 'fast-png';
import { decodeImage, readBinary } from '#platform';
import { isAnimatedPng } from '../animation.js';
import { MaskError } from '../errors.js';
import { type LabelMap, maxLabelId, resizeLabelMap } from '../label-map.js';
import { decodePngSamples } from '../palette-png.js';
import type { BinarySource } from '../source-input.js';
import { interpretMask, MASK_READINGS, type MaskReadingName } from './interpret.js';
import { type LossyKind, type MaskPicture, maskPicture } from './picture.js';

/** Options of `readMask`. */
export interface ReadMaskOptions {
  /** Size of the frames in pixels; a mask of another size is refused unless `resize` says otherwise. */
  width?: number | undefined;
  height?: number | undefined;
  /** `error` (default), or `nearest`: bring the mask to the frame's size without interpolation. */
  resize?: 'error' | 'nearest' | undefined;
  /** Accept a mask of background only. Default false. */
  allowEmpty?: boolean | undefined;
  /** For messages, where the mask is not a file. */
  name?: string | undefined;
  /**
   * How to read it; default what `interpretMask` sees. `labels`: the stored number is the id, 255 too. `binary`: one object, from half of the
   * largest value up. `colours`: each colour but black is an object. `alpha`: one object, where alpha is one half or more.
   */
  as?: MaskReadingName | undefined;
  /** It is an annotation of DAVIS, YouTube-VOS or VOC: the stored number is the id, 255 is void unless it stands alone. */
  dataSet?: boolean | undefined;
  /** Is told what the mask was taken to mean, such as `one object, soft edges, threshold 128`. */
  onMeaning?: ((meaning: string) => void) | undefined;
}

/**
 * Checks a label map against the frames it is for, and resizes it where that is allowed.
 * Throws `MaskError`: `size-mismatch`, `no-objects`.
 */
export function fitMask(map: LabelMap, name: string, options: ReadMaskOptions): LabelMap {
  const { width = map.width, height = map.height, resize = 'error', allowEmpty = false } = options;
  let fitted = map;
  if (map.width !== width || map.height !== height) {
    if (resize === 'error') {
      throw new MaskError(
        'size-mismatch',
        name,
        `the mask has ${map.width}x${map.height} pixels, the frames have ${width}x${height}`,
      );
    }
    fitted = resizeLabelMap(map, width, height);
  }
  if (!allowEmpty && maxLabelId(fitted) === 0) {
    throw new MaskError('no-objects', name, 'the mask has no objects, only background');
  }
  return fitted;
}

/** How an image file has lost what it held to compression. */
const lossyKind = (bytes: Uint8Array): LossyKind | undefined =>
  bytes[0] === 0xff && bytes[1] === 0xd8
    ? 'jpeg'
    : String.fromCharCode(...bytes.subarray(12, 16)) === 'VP8 '
      ? 'other'
      : undefined;

/** The pixels of a PNG as they are stored, of other formats (JPEG, WebP, BMP) as decoded to RGBA. */
async function readPicture(bytes: Uint8Array, name: string): Promise<MaskPicture> {
  if (bytes.length > 8 && hasPngSignature(bytes)) {
    if (isAnimatedPng(bytes)) throw new MaskError('unsupported', name, 'an animated PNG, where one picture is needed');
    return maskPicture(decodePngSamples(bytes, name));
  }
  try {
    const { width, height, rgba } = await decodeImage(bytes);
    return maskPicture({ width, height, kind: 'colour', channels: 4, depth: 8, data: rgba }, lossyKind(bytes));
  } catch (cause) {
    throw new MaskError('unreadable', name, `not a readable image (${(cause as Error).message})`, { cause });
  }
}

/**
 * Reads a first-frame mask, PNG or another image; `interpretMask` says by which rules.
 *
 * Throws `MaskError`: `not-found`, `unreadable`, `unsupported`, `ambiguous`, `size-mismatch`, `no-objects`.
 * @param source a path (Node), a URL, a Blob, or the file's bytes
 */
export async function readMask(source: BinarySource, options: ReadMaskOptions = {}): Promise<LabelMap> {
  // The size of frames is mostly given as the frames' source, whose name is not the mask's.
  const own = typeof source === 'string' || source instanceof URL ? String(source) : (source as File | null)?.name;
  const name = own || (options.name ?? 'mask');
  const { as } = options;
  if (as !== undefined && !MASK_READINGS.includes(as)) {
    throw new MaskError('unsupported', name, `\`as\` is one of ${MASK_READINGS.join(', ')}, not ${JSON.stringify(as)}`);
  }
  let bytes: Uint8Array;
  try {
    bytes = await readBinary(source);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const missing = code === 'ENOENT';
    const reason = missing ? 'no such file' : code === 'EISDIR' ? 'a folder, not a picture of masks' : message;
    throw new MaskError(missing ? 'not-found' : 'unreadable', name, reason, { cause });
  }
  const { labels, meaning } = interpretMask(await readPicture(bytes, name), name, options);
  const fitted = fitMask(labels, name, options);
  options.onMeaning?.(meaning);
  return fitted;
}
