import {
  EncodedAudioPacketSource,
  type EncodedPacket,
  EncodedPacketSink,
  getFirstEncodableVideoCodec,
  type InputAudioTrack,
  Mp4OutputFormat,
  Output,
  type OutputFormat,
  Quality,
  type QualityLevel,
  StreamTarget,
  type StreamTargetChunk,
  type VideoCodec,
  VideoSample,
  VideoSampleSource,
  WebMOutputFormat,
} from 'mediabunny';
import { prepareCodecs } from '#platform';
import { OutputError } from './errors.js';
import type { Frame } from './frame-source.js';
import { clearDates } from './mp4-dates.js';
import type { OutputFile } from './output-folder.js';
import { defaultMatrix, rgbaToI420 } from './yuv.js';

/** Options of `VideoWriter`. */
export interface VideoWriterOptions {
  /** For messages. */
  label: string;
  width: number;
  height: number;
  /** Default `high`. */
  quality?: QualityLevel | undefined;
  /** Codecs by preference; the first that the platform can encode is taken. Default H.264, then VP9, AV1, HEVC. */
  codecs?: readonly VideoCodec[] | undefined;
  /** Audio track to copy, packet by packet, without encoding it again. */
  audio?: InputAudioTrack | undefined;
  /** Default MP4. */
  container?: 'MP4' | 'WebM' | undefined;
  /** Keeps the alpha channel of the pictures; default off. WebM with VP9 can. */
  alpha?: boolean | undefined;
}

/** What of a file is to be written over once it is complete. */
interface Revision {
  data: Uint8Array;
  position: number;
}

const FORMATS: Record<'MP4' | 'WebM', (revise: (revision: Revision) => void) => OutputFormat> = {
  MP4: (revise) =>
    new Mp4OutputFormat({
      fastStart: false,
      // The same pictures make the same file, whenever it is written.
      onMoov: (data, position) => revise({ data: clearDates(data.slice()), position }),
    }),
  WebM: () => new WebMOutputFormat(),
};

const DEFAULT_CODECS: readonly VideoCodec[] = ['avc', 'vp9', 'av1', 'hevc'];

/** Copies an audio track's packets as the video's time passes, so that the file stays interleaved. */
class AudioCopy {
  private packets: AsyncGenerator<EncodedPacket, void, unknown> | undefined;
  /** Time of the source at which the video begins, in seconds. */
  private start = 0;
  private waiting: EncodedPacket | undefined;
  private first = true;

  private constructor(
    readonly source: EncodedAudioPacketSource,
    private readonly track: InputAudioTrack,
  ) {}

  /** Undefined if the container cannot hold the track's codec. */
  static async of(track: InputAudioTrack, format: OutputFormat): Promise<AudioCopy | undefined> {
    const codec = await track.getCodec();
    if (!codec || !format.getSupportedAudioCodecs().includes(codec)) return undefined;
    return new AudioCopy(new EncodedAudioPacketSource(codec), track);
  }

  /** Begins at a time of the source (seconds), which becomes that of the copy's beginning. Nothing is copied yet. */
  async begin(start: number): Promise<void> {
    this.start = start;
    const sink = new EncodedPacketSink(this.track);
    this.packets = sink.packets(start > 0 ? ((await sink.getPacket(start)) ?? undefined) : undefined);
  }

  /** Copies the packets that begin before `time` (seconds of the copy). */
  async until(time: number): Promise<void> {
    for (;;) {
      this.waiting ??= (await this.packets!.next()).value ?? undefined;
      if (!this.waiting || this.waiting.timestamp - this.start >= time) return;
      if (this.start > 0 && this.waiting.timestamp < this.start) {
        this.waiting = undefined;
        continue;
      }
      const decoderConfig = this.first ? await this.track.getDecoderConfig() : null;
      const packet =
        this.start > 0 ? this.waiting.clone({ timestamp: this.waiting.timestamp - this.start }) : this.waiting;
      await this.source.add(packet, decoderConfig ? { decoderConfig } : undefined);
      this.first = false;
      this.waiting = undefined;
    }
  }

  async end(): Promise<void> {
    await this.packets?.return();
  }
}

/** Appends the alpha channel to I420 planes, as I420A wants it; an odd last column or row is repeated. */
function withAlpha(planes: Uint8Array, rgba: Uint8Array, width: number, height: number): Uint8Array {
  const codedWidth = width + (width & 1);
  const codedHeight = height + (height & 1);
  const data = new Uint8Array(planes.length + codedWidth * codedHeight);
  data.set(planes);
  for (let y = 0, at = planes.length; y < codedHeight; y++) {
    const row = Math.min(y, height - 1) * width;
    for (let x = 0; x < codedWidth; x++, at++) data[at] = rgba[(row + Math.min(x, width - 1)) * 4 + 3]!;
  }
  return data;
}

/**
 * Encodes pictures to an MP4 or WebM file, each at its own time, so that variable frame rates survive, and copies the audio of the source.
 *
 * H.264 needs even sides: an odd width or height gets one more column or row, a copy of the last one.
 * The file appears under its name at `finish`; a stopped run finishes it with the frames it has.
 */
export class VideoWriter {
  private last?: { time: number; duration: number };
  /** What is taken off all times. */
  private start = 0;
  private started = false;
  private closed = false;
  /** Why the file could not be completed. */
  private failure: Error | undefined;

  private constructor(
    private readonly file: OutputFile,
    private readonly options: VideoWriterOptions,
    private readonly output: Output,
    private readonly video: VideoSampleSource,
    private readonly sinkError: { error?: unknown },
    private readonly revisions: readonly Revision[],
    private readonly audio: AudioCopy | undefined,
    /** Codec of an audio track that the container cannot hold and that is therefore missing in the file. */
    readonly droppedAudio: string | undefined,
  ) {}

  get container(): 'MP4' | 'WebM' {
    return this.options.container ?? 'MP4';
  }

  /** Throws `OutputError` (`unsupported`) if the platform encodes none of the codecs at this size. */
  static async open(file: OutputFile, options: VideoWriterOptions): Promise<VideoWriter> {
    await prepareCodecs().catch((cause: Error) => {
      throw new OutputError('unsupported', options.label, cause.message, { cause });
    });
    const { width, height, label, codecs = DEFAULT_CODECS, container = 'MP4', alpha = false } = options;
    const quality = new Quality(options.quality ?? 'high');
    const codec = await getFirstEncodableVideoCodec([...codecs], {
      width: width + (width & 1),
      height: height + (height & 1),
      quality,
    });
    if (!codec) {
      throw new OutputError(
        'unsupported',
        label,
        `no encoder for ${codecs.join(', ')} at ${width}x${height} pixels here`,
      );
    }
    const sinkError: { error?: unknown } = {};
    // mediabunny reports a failed write only when it closes the file, hence the note of the first error.
    const sink = new WritableStream<StreamTargetChunk>({
      write: async ({ data, position }) => {
        if (sinkError.error) return;
        await file.write(data, position).catch((error) => {
          sinkError.error = error;
        });
      },
    });
    const revisions: Revision[] = [];
    const format = FORMATS[container]((revision) => revisions.push(revision));
    const output = new Output({ format, target: new StreamTarget(sink, { chunked: true, chunkSize: 1 << 20 }) });
    const video = new VideoSampleSource({ codec, quality, alpha: alpha ? 'keep' : 'discard' });
    output.addVideoTrack(video);
    const audio = options.audio && (await AudioCopy.of(options.audio, format));
    if (audio) output.addAudioTrack(audio.source);
    const droppedAudio = options.audio && !audio ? ((await options.audio.getCodec()) ?? 'unknown') : undefined;
    return new VideoWriter(file, options, output, video, sinkError, revisions, audio, droppedAudio);
  }

  /**
   * Appends a picture at the frame's time. Times ascend. Where the first picture is not the source's first frame, the video begins with it.
   * @param rgba picture of the writer's size
   * Throws `OutputError`.
   */
  async add(frame: Pick<Frame, 'index' | 'time' | 'duration'>, rgba: Uint8Array): Promise<void> {
    const { width, height, alpha } = this.options;
    if (!this.last && frame.index > 0) this.start = frame.time;
    const time = frame.time - this.start;
    // Some containers give the last frame no duration: it is shown as long as the one before.
    const duration = frame.duration || (this.last ? time - this.last.time : 1 / 25);
    const matrix = defaultMatrix(height);
    const { data, codedWidth, codedHeight } = rgbaToI420(rgba, width, height, matrix);
    const sample = new VideoSample(alpha ? withAlpha(data, rgba, width, height) : data, {
      format: alpha ? 'I420A' : 'I420',
      codedWidth,
      codedHeight,
      timestamp: time,
      duration,
      colorSpace: { matrix, primaries: matrix, transfer: matrix, fullRange: false },
    });
    try {
      await this.guard(async () => {
        if (!this.started) {
          await this.output.start();
          await this.audio?.begin(this.start);
        }
        this.started = true;
        await this.audio?.until(time);
        await this.video.add(sample);
      });
    } finally {
      sample.close();
    }
    this.last = { time, duration };
  }

  /**
   * Completes the file. Without a single frame there is none.
   * @param stopped the source goes on behind the last frame: the audio ends with the last frame instead of going on to its own end
   */
  async finish(stopped = false): Promise<void> {
    if (this.closed) return;
    if (!this.started) return this.discard();
    if (this.failure) throw this.failure;
    await this.guard(async () => {
      const end = stopped && this.last ? this.last.time + this.last.duration : Number.POSITIVE_INFINITY;
      await this.audio?.until(end);
      await this.audio?.end();
      await this.output.finalize();
      for (const { data, position } of this.revisions) await this.file.write(data, position);
    }).catch((error: Error) => {
      this.failure = error;
      throw error;
    });
    this.closed = true;
    await this.file.commit();
  }

  /** Stops the encoder and removes the unfinished file. Idempotent. */
  async discard(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.audio?.end().catch(() => {});
    // After a failed finalisation there is nothing to cancel.
    if (this.output.state === 'pending' || this.output.state === 'started') await this.output.cancel().catch(() => {});
    await this.file.discard();
  }

  private async guard(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (cause) {
      if (cause instanceof OutputError) throw cause;
      throw (
        this.sinkError.error ?? new OutputError('write-failed', this.options.label, (cause as Error).message, { cause })
      );
    }
    if (this.sinkError.error) throw this.sinkError.error;
  }
}
