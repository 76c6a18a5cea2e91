import {
  EncodedPacketSink,
  Input,
  type InputAudioTrack,
  type InputVideoTrack,
  IsobmffInputFormat,
  MATROSKA,
  MP4,
  MPEG_TS,
  QTFF,
  type Source,
  type VideoSample,
  WEBM,
} from 'mediabunny';
import { convertOnce, diagnoseVideo } from './container.js';
import type { DecodeTrack } from './decoded.js';
import { type ReadAt, readEditList } from './edit-list.js';
import { FrameError, SourceError } from './errors.js';
import type { Frame, FrameRange, OpenedSource } from './frame-source.js';
import type { RgbaImage } from './image-source.js';
import { orient } from './orient.js';
import type { RunInput } from './run-inputs.js';
import { isHdr, isYuvFormat, type YuvColour, yuvToRgba } from './yuv.js';

/** A frame source over a video file, with what an overlay video takes over from it. */
export interface VideoSource extends OpenedSource {
  readonly kind: 'video';
  readonly frameCount: number;
  /** Presentation time of every frame in seconds, ascending, as the container has it. */
  readonly timestamps: Float64Array;
  /** The audio track to copy into a result video. */
  readonly audio?: InputAudioTrack;
}

/** A video file's bytes: for mediabunny, and to look at directly. */
export interface VideoBytes {
  source: Source;
  /** Bytes of the file. */
  size: number;
  readAt: ReadAt;
  /** See `FrameSource`. */
  digest?: () => Promise<string>;
  inputs?: readonly RunInput[];
}

/** Frame name of a video: its number with at least five digits. */
export const frameNumber = (index: number): string => String(index).padStart(5, '0');

/** Times closer than this are the same frame: finer than any container's clock, coarser than rounding. */
const SAME_TIME = 5e-7;

/** Index of the entry nearest to `time`. */
function nearestIndex(times: Float64Array, time: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - times[low - 1]! < times[low]! - time ? low - 1 : low;
}

/** Ascending numbers as people write them: "3, 5 to 9". */
function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run?.[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  const shown = runs.slice(0, 6).map(([first, last]) => (first === last ? `${first}` : `${first} to ${last}`));
  return `${shown.join(', ')}${runs.length > shown.length ? ' and more' : ''}`;
}

/** Says that colours are not as they are stored. */
const hdrNote = ({ transfer }: YuvColour) =>
  transfer === 'pq'
    ? 'PQ video (high dynamic range) is mapped to standard range'
    : 'HLG video (high dynamic range) is read as the standard-range video that it is compatible with';

/** Pixels of a decoded sample as a viewer sees them: upright, square pixels. */
async function sampleToRgba(sample: VideoSample, colour: YuvColour): Promise<RgbaImage> {
  const { num, den } = sample.pixelAspectRatio;
  if (num !== den) {
    const square = await sample.transform({});
    try {
      return await copyRgba(square, colour);
    } finally {
      square.close();
    }
  }
  const { rgba, width, height } = await copyRgba(sample, colour);
  return orient(rgba, width, height, sample.rotation, sample.flip);
}

/** Pixels as decoded, without rotation. */
async function copyRgba(sample: VideoSample, colour: YuvColour): Promise<RgbaImage> {
  const { width, height } = sample.visibleRect;
  if (isYuvFormat(sample.format)) {
    const planes = new Uint8Array(sample.allocationSize());
    const layout = await sample.copyTo(planes);
    return { width, height, rgba: yuvToRgba(planes, layout, sample.format, width, height, colour) };
  }
  // Frames in RGB or on the GPU: the platform converts.
  const rgba = new Uint8Array(sample.allocationSize({ format: 'RGBA' }));
  await sample.copyTo(rgba, { format: 'RGBA' });
  return { width, height, rgba };
}

class MediaVideoSource implements VideoSource {
  readonly kind = 'video';
  readonly frameCount: number;
  readonly fps?: number;
  readonly digest?: () => Promise<string>;
  readonly inputs?: readonly RunInput[];
  readonly notes: string[] = [];
  readonly #damaged = new Set<number>();
  #damageNote: number | undefined;
  #names: readonly string[] | undefined;
  #closed = false;

  constructor(
    private readonly file: string,
    readonly name: string,
    private readonly input: Input,
    private readonly track: InputVideoTrack,
    readonly width: number,
    readonly height: number,
    readonly timestamps: Float64Array,
    private readonly decode: DecodeTrack,
    { digest, inputs }: Pick<VideoBytes, 'digest' | 'inputs'>,
    readonly audio?: InputAudioTrack,
  ) {
    this.digest = digest;
    this.inputs = inputs;
    this.frameCount = timestamps.length;
    const span = timestamps.at(-1)! - timestamps[0]!;
    if (span > 0) this.fps = (this.frameCount - 1) / span;
  }

  get frameNames(): readonly string[] {
    return (this.#names ??= Array.from(this.timestamps, (_, i) => frameNumber(i)));
  }

  async *frames({ from = 0, to = this.frameCount, signal }: FrameRange = {}): AsyncGenerator<Frame, void, undefined> {
    const begin = Math.max(0, from);
    const end = Math.min(to, this.frameCount);
    if (begin >= end) return;
    const decoded = this.decode(this.track, this.timestamps[begin]!);
    let index = begin;
    // Decoder threads report a bad packet late, so the frame to blame is the first one that is missing.
    let missing: number | undefined;
    let failure: { cause: unknown } | undefined;
    try {
      while (index < end) {
        signal?.throwIfAborted();
        const { value, done } = await this.step(index, () => decoded.next());
        if (done) break;
        if ('badTime' in value) {
          if (value.badTime >= this.timestamps[begin]! - SAME_TIME) failure ??= value;
        } else {
          const { sample, colour, isDamaged } = value;
          try {
            const at = nearestIndex(this.timestamps, sample.timestamp);
            // Frames before the range, before an edit list's start, or repeated by a decoder.
            if (at < index || sample.timestamp < this.timestamps[0]! - SAME_TIME) continue;
            if (at >= end) break;
            // A stream may begin with pictures that nothing can decode; later ones are missed.
            if (at > index && index > 0) missing ??= index;
            if (failure && missing !== undefined) break;
            index = at;
            if (isDamaged) this.noteDamage(index);
            yield await this.toFrame(index, sample, colour);
            index++;
          } finally {
            sample.close();
          }
        }
        if (failure && missing !== undefined) break;
      }
    } finally {
      await decoded.return();
    }
    if (index < end) missing ??= index;
    if (missing === undefined) return;
    if (failure) throw this.undecodable(missing, failure.cause);
    if (index < end) {
      throw new FrameError(
        'corrupt',
        this.file,
        index,
        `the video breaks off: it should have ${this.frameCount} frames`,
      );
    }
  }

  [Symbol.asyncIterator]() {
    return this.frames();
  }

  async close() {
    if (this.#closed) return;
    this.#closed = true;
    this.input.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async toFrame(index: number, sample: VideoSample, colour: YuvColour): Promise<Frame> {
    if (isHdr(colour)) this.note(hdrNote(colour));
    const { rgba, width, height } = await this.step(index, () => sampleToRgba(sample, colour));
    if (width !== this.width || height !== this.height) {
      throw new FrameError(
        'size-mismatch',
        this.file,
        index,
        `the frame has ${width}x${height} pixels, the first one has ${this.width}x${this.height}`,
      );
    }
    const duration = sample.duration || undefined;
    return { index, time: this.timestamps[index]!, duration, name: frameNumber(index), width, height, rgba };
  }

  note(text: string): void {
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** One note for all damaged frames read so far. */
  private noteDamage(index: number): void {
    this.#damaged.add(index);
    const frames = [...this.#damaged].sort((a, b) => a - b);
    const text =
      `the file is damaged in frame${frames.length === 1 ? '' : 's'} ${ranges(frames)}: a part of the picture was made up there, ` +
      'as players do, and frames behind may show it, too';
    this.notes[(this.#damageNote ??= this.notes.length)] = text;
  }

  /** Runs a decoding step; what goes wrong in it is an error of frame `index`. */
  private async step<T>(index: number, run: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new SourceError('closed', this.file, 'the source was closed');
    try {
      return await run();
    } catch (cause) {
      if (this.#closed) throw new SourceError('closed', this.file, 'the source was closed', { cause });
      throw this.undecodable(index, cause);
    }
  }

  private undecodable(index: number, cause: unknown): FrameError {
    const detail = (cause as Error).message;
    return new FrameError('corrupt', this.file, index, `the video cannot be decoded (${detail})`, { cause });
  }
}

/** Whether a VP8 packet shows its picture: libvpx stores hidden reference pictures as packets of their own (RFC 6386, 9.1). */
const isShownVp8 = (data: Uint8Array) => (data[0]! & 0x10) !== 0;

/**
 * Presentation times of the track's frames, without decoding. Frames that an edit list cuts off (times below zero, or from `end` on) are
 * left out, so that numbers agree with FFmpeg's.
 */
async function readTimestamps(
  track: InputVideoTrack,
  end: number,
): Promise<{ timestamps: Float64Array; empty: number }> {
  const mayHide = (await track.getCodec()) === 'vp8';
  const packets = new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: !mayHide });
  const times: number[] = [];
  let empty = 0;
  for await (const { timestamp, byteLength, data } of packets) {
    // Players skip samples without data.
    if (byteLength === 0) {
      empty++;
      continue;
    }
    const isCut = timestamp < -SAME_TIME || timestamp >= end - SAME_TIME;
    if (!isCut && !(mayHide && !isShownVp8(data))) times.push(timestamp);
  }
  const sorted = Float64Array.from(times).sort();
  return { timestamps: sorted.filter((time, i) => i === 0 || time - sorted[i - 1]! > SAME_TIME), empty };
}

/** When the edit list of an MP4 or MOV file ends the track, in seconds. Throws `SourceError` for lists that would need the media cut up. */
async function presentationEnd(file: string, track: InputVideoTrack, read: ReadAt): Promise<number> {
  if (!((await track.input.getFormat()) instanceof IsobmffInputFormat)) return Number.POSITIVE_INFINITY;
  const edits = await readEditList(read, track.id);
  if (edits && (edits.parts > 1 || !edits.normalSpeed)) {
    const reason = edits.parts > 1 ? `shows ${edits.parts} pieces of the video` : 'changes the speed';
    throw new SourceError('unsupported', file, `its edit list ${reason}; ${convertOnce(file)}`);
  }
  return edits?.end ?? Number.POSITIVE_INFINITY;
}

/** Seconds that a file may be shorter than it says: headers round, and the last frames' durations are guesses. */
const LENGTH_TOLERANCE = 1;

/**
 * What is to be said of a file that ends before its header says. MP4 and MOV name every frame, so that a missing one fails when it is
 * reached; Matroska and WebM only name their length, and what is left of them reads as a whole video.
 */
async function missingEnd(input: Input, lastTime: number): Promise<string | undefined> {
  if ((await input.getFormat()) instanceof IsobmffInputFormat) return undefined;
  const options = { skipLiveWait: true };
  const stated = await input.getDurationFromMetadata(undefined, options);
  if (stated === null || stated - lastTime <= LENGTH_TOLERANCE) return undefined;
  // The sound may be what is so long.
  const found = await input.computeDuration(undefined, options);
  if (stated - found <= LENGTH_TOLERANCE) return undefined;
  return `it breaks off after ${found.toFixed(1)} of ${stated.toFixed(1)} seconds: it was not written or copied to its end`;
}

/** What videos come in. The readers of sound files and playlists stay out of programs and pages. */
const CONTAINERS = [MP4, QTFF, WEBM, MATROSKA, MPEG_TS];

/**
 * Opens a video (mp4, mov, webm, mkv, ts) of any codec the platform decodes. Nothing is decoded here.
 * Throws `SourceError`: `unreadable`, `unsupported`, `no-frames`.
 * @param file path or name, for messages
 * @param decode the platform's decoder
 */
export async function videoSource(
  file: string,
  name: string,
  { source, readAt, ...known }: VideoBytes,
  decode: DecodeTrack,
): Promise<VideoSource> {
  if (known.size === 0) throw new SourceError('unreadable', file, (await diagnoseVideo(file, readAt, 0))!);
  const input = new Input({ source, formats: CONTAINERS });
  try {
    const told = () => diagnoseVideo(file, readAt, known.size);
    if (!(await input.canRead())) {
      const why = (await told()) ?? 'not a video in a known container (mp4, mov, webm, mkv, ts)';
      throw new SourceError('unreadable', file, why);
    }
    const track = await input.getPrimaryVideoTrack();
    if (!track) {
      const why = await told();
      if (why) throw new SourceError('unreadable', file, why);
      const sound = await input.getPrimaryAudioTrack();
      throw new SourceError('no-frames', file, `the file has no video track${sound ? ', only sound' : ''}`);
    }
    const codec = await track.getCodec();
    if (!codec || !(await track.canDecode())) {
      const label = codec ?? String(await track.getInternalCodecId());
      throw new SourceError('unsupported', file, `video codec ${label} cannot be decoded here; ${convertOnce(file)}`);
    }
    const { timestamps, empty } = await readTimestamps(track, await presentationEnd(file, track, readAt));
    if (timestamps.length === 0) throw new SourceError('no-frames', file, 'the video track has no frames');
    const audio = (await input.getPrimaryAudioTrack()) ?? undefined;
    const [width, height] = await Promise.all([track.getDisplayWidth(), track.getDisplayHeight()]);
    const video = new MediaVideoSource(file, name, input, track, width, height, timestamps, decode, known, audio);
    const colour = await track.getColorSpace();
    if (isHdr(colour)) video.note(hdrNote(colour));
    const cut = await missingEnd(input, timestamps.at(-1)!);
    if (cut) video.note(cut);
    if (empty > 0) video.note(`${empty} empty sample${empty === 1 ? '' : 's'} skipped`);
    return video;
  } catch (cause) {
    input.dispose();
    if (cause instanceof SourceError) throw cause;
    const why = await diagnoseVideo(file, readAt, known.size).catch(() => undefined);
    throw new SourceError('unreadable', file, why ?? `the video cannot be read (${(cause as Error).message})`, {
      cause,
    });
  }
}
