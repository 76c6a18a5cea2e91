import { listDigest, shareOfBudget } from './content-digest.js';
import { FrameError, SourceError } from './errors.js';
import { DECODE_AHEAD, type Frame, type FrameRange, type OpenedSource } from './frame-source.js';
import { prefetch } from './prefetch.js';
import type { RunInput } from './run-inputs.js';

/** A decoded picture. `rgba` as in `Frame`. */
export interface RgbaImage {
  width: number;
  height: number;
  rgba: Uint8Array;
}

/** One image of a sequence. */
export interface ImageEntry {
  /** Path or file name, for messages. */
  file: string;
  /** File name without folder and extension. */
  stem: string;
  /** Reads and decodes the image; rejects if it is damaged. */
  load(): Promise<RgbaImage>;
  /** Its `contentDigest`, with at most so many bytes read. */
  digest?(budget: number): Promise<string>;
}

/** Options of `imageSource`. */
export interface ImageSourceOptions {
  /** Frames per second that the images stand for. Default 24, DAVIS's rate. */
  fps?: number | undefined;
}

/** What else is known of images; see `FrameSource`. */
export interface ImageSourceDetails {
  annotations?: string;
  inputs?: readonly RunInput[];
  notes?: readonly string[];
  /** Default: of the entries. */
  digest?: () => Promise<string>;
}

export const IMAGE_EXTENSION = /\.(jpe?g|png|webp|bmp)$/i;
const byName = new Intl.Collator('en', { numeric: true });

/** Image files among file names, hidden ones left out, in natural order: `frame2` before `frame10`. */
export function imageFiles(names: Iterable<string>): string[] {
  const images = [...names].filter((name) => IMAGE_EXTENSION.test(name) && !name.startsWith('.'));
  // Equal under the collator ("1" and "01") still needs one order on every machine.
  return images.sort((a, b) => byName.compare(a, b) || (a < b ? -1 : 1));
}

/** File name without folder and extension. */
export const stemOf = (path: string): string => path.replace(/^.*[\\/]/, '').replace(/\.[^.]+$/, '');

function checkFps(fps: number): number {
  if (!(fps > 0 && fps <= 1000))
    throw new SourceError('bad-option', 'fps', `${fps} is not a frame rate above 0 and up to 1000`);
  return fps;
}

class ImageSource implements OpenedSource {
  readonly kind = 'images';
  readonly frameCount: number;
  readonly frameNames: readonly string[];
  readonly annotations?: string;
  readonly inputs?: readonly RunInput[];
  readonly notes?: readonly string[];
  #closed = false;

  constructor(
    readonly name: string,
    private readonly entries: readonly ImageEntry[],
    private readonly first: RgbaImage,
    readonly fps: number,
    { annotations, inputs, notes, digest }: ImageSourceDetails,
  ) {
    this.frameCount = entries.length;
    this.frameNames = entries.map(({ stem }) => stem);
    this.annotations = annotations;
    this.inputs = inputs;
    this.notes = notes;
    if (digest) this.digest = digest;
    else if (entries.every((entry) => entry.digest)) this.digest = () => this.entriesDigest();
  }

  digest?: () => Promise<string>;

  private async entriesDigest(): Promise<string> {
    const budget = shareOfBudget(this.entries.length);
    const digests = prefetch(this.entries.length, DECODE_AHEAD, (i) => this.entries[i]!.digest!(budget));
    const parts: { name: string; digest: string }[] = [];
    for await (const digest of digests) parts.push({ name: this.entries[parts.length]!.stem, digest });
    return listDigest(parts);
  }

  get width() {
    return this.first.width;
  }

  get height() {
    return this.first.height;
  }

  async *frames({
    from = 0,
    to = this.entries.length,
    signal,
  }: FrameRange = {}): AsyncGenerator<Frame, void, undefined> {
    const begin = Math.max(0, from);
    const count = Math.min(to, this.entries.length) - begin;
    const images = prefetch(count, DECODE_AHEAD, (i) => this.load(begin + i));
    for (let index = begin; index < begin + count; index++) {
      signal?.throwIfAborted();
      if (this.#closed) throw new SourceError('closed', this.name, 'the source was closed');
      const { value: image } = await images.next();
      yield { index, time: index / this.fps, duration: 1 / this.fps, name: this.entries[index]!.stem, ...image! };
    }
  }

  [Symbol.asyncIterator]() {
    return this.frames();
  }

  async close() {
    this.#closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async load(index: number): Promise<RgbaImage> {
    const { file } = this.entries[index]!;
    let image: RgbaImage;
    try {
      image = await this.entries[index]!.load();
    } catch (cause) {
      if (cause instanceof SourceError) throw cause;
      throw new FrameError('corrupt', file, index, `the image cannot be read (${(cause as Error).message})`, { cause });
    }
    if (image.width !== this.width || image.height !== this.height) {
      throw new FrameError(
        'size-mismatch',
        file,
        index,
        `the image has ${image.width}x${image.height} pixels, the first one has ${this.width}x${this.height}`,
      );
    }
    return image;
  }
}

/**
 * A frame source over single images in the given order. The first one is decoded here, since it gives the size.
 * Throws `SourceError` (`no-frames`, `unsupported` for two images of one stem, whose results would overwrite each other) and
 * `FrameError` if the first image is damaged.
 */
export async function imageSource(
  name: string,
  entries: readonly ImageEntry[],
  { fps = 24, ...details }: ImageSourceOptions & ImageSourceDetails = {},
): Promise<OpenedSource> {
  checkFps(fps);
  if (entries.length === 0) throw new SourceError('no-frames', name, 'no jpg, png, webp or bmp images');
  const fileOf = new Map<string, string>();
  for (const { file, stem } of entries) {
    const other = fileOf.get(stem);
    if (other)
      throw new SourceError('unsupported', name, `${other} and ${file} have the same name but for the extension`);
    fileOf.set(stem, file);
  }
  let first: RgbaImage;
  try {
    first = await entries[0]!.load();
  } catch (cause) {
    if (cause instanceof SourceError) throw cause;
    throw new FrameError('corrupt', entries[0]!.file, 0, `the image cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
  // Only the size is kept: the pixels are decoded again when frames are asked for.
  return new ImageSource(name, entries, { ...first, rgba: new Uint8Array() }, fps, details);
}
