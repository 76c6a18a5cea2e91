import { readFileSync, writeFileSync } from 'node:fs';
import {
  AudioSample,
  AudioSampleSource,
  FilePathTarget,
  MkvOutputFormat,
  MovOutputFormat,
  Mp4OutputFormat,
  Output,
  Quality,
  type Rotation,
  type VideoCodec,
  VideoSample,
  VideoSampleSource,
  WebMOutputFormat,
} from 'mediabunny';
import { prepareCodecs } from '../../src/io/index.js';

export interface TestVideo {
  width?: number;
  height?: number;
  /** Presentation times in seconds; default ten frames at 25 per second. */
  times?: number[];
  codec?: VideoCodec;
  rotation?: Rotation;
  /** Width the pictures are shown at, where pixels are not square. */
  displayWidth?: number;
  /** MP4: puts the index before the pictures. */
  fastStart?: boolean;
  /** Adds a tone as long as the video. */
  audio?: 'aac' | 'opus';
  pixel?: (index: number, x: number, y: number) => [number, number, number];
}

const FORMATS = {
  mp4: (o: TestVideo) => new Mp4OutputFormat({ fastStart: o.fastStart ? 'in-memory' : false }),
  mov: () => new MovOutputFormat(),
  webm: () => new WebMOutputFormat(),
  mkv: () => new MkvOutputFormat(),
};

/** Frame i is a grey of level 20 + 20 i on the left half and a colour block on the right: its number can be read from its pixels. */
export const levelOf = (index: number) => 20 + 20 * index;

const defaultPixel = (width: number) => (index: number, x: number) =>
  x < width / 2 ? ([levelOf(index), levelOf(index), levelOf(index)] as const) : ([200, 60, 40] as const);

/** Writes a small video made from nothing. The container is that of the path's extension. */
export async function makeVideo(path: string, options: TestVideo = {}): Promise<void> {
  await prepareCodecs();
  const { width = 64, height = 48, times = Array.from({ length: 10 }, (_, i) => i / 25), rotation, audio } = options;
  const extension = path.split('.').at(-1) as keyof typeof FORMATS;
  const codec = options.codec ?? (extension === 'webm' ? 'vp9' : 'avc');
  const pixel = options.pixel ?? defaultPixel(width);
  const output = new Output({ format: FORMATS[extension](options), target: new FilePathTarget(path) });
  const video = new VideoSampleSource({ codec, quality: new Quality('very-high') });
  output.addVideoTrack(video, { rotation });
  const tone = audio && new AudioSampleSource({ codec: audio, quality: new Quality('medium') });
  if (tone) output.addAudioTrack(tone);
  await output.start();

  const gap = times.length > 1 ? times[1]! - times[0]! : 1 / 25;
  for (const [i, timestamp] of times.entries()) {
    const rgba = new Uint8Array(width * height * 4);
    for (let p = 0; p < width * height; p++) {
      rgba.set(pixel(i, p % width, Math.floor(p / width)), p * 4);
      rgba[p * 4 + 3] = 255;
    }
    const duration = (times[i + 1] ?? timestamp + gap) - timestamp;
    const sample = new VideoSample(rgba, {
      format: 'RGBA',
      codedWidth: width,
      codedHeight: height,
      timestamp,
      duration,
      displayWidth: options.displayWidth,
      displayHeight: options.displayWidth && height,
    });
    await video.add(sample);
    sample.close();
  }
  video.close();
  if (tone) {
    const sampleRate = 48000;
    const length = Math.round((times.at(-1)! + gap) * sampleRate);
    const data = Float32Array.from({ length }, (_, i) => 0.3 * Math.sin((2 * Math.PI * 440 * i) / sampleRate));
    const sample = new AudioSample({ data, format: 'f32', numberOfChannels: 1, sampleRate, timestamp: 0 });
    await tone.add(sample);
    sample.close();
    tone.close();
  }
  await output.finalize();
}

/** What to change in an edit list. */
export interface EditListChange {
  skipFrames?: number;
  milliseconds?: number;
  speed?: number;
}

/**
 * Rewrites the last entry of an MP4's edit list: its length in milliseconds of presentation, and its start in frames of 1/25 s. The video must begin
 * later than at 0, so that its list has an empty entry first, which is taken away.
 */
export function editVideo(path: string, change: EditListChange): void {
  const bytes = readFileSync(path);
  const at = bytes.indexOf('elst');
  if (at < 0 || bytes.readUInt32BE(at + 8) !== 2) throw new Error(`${path} has no edit list of two entries`);
  bytes.writeUInt32BE(0, at + 12);
  const entry = at + 24;
  const movie = bytes.readUInt32BE(bytes.indexOf('mvhd') + 16);
  const media = bytes.readUInt32BE(bytes.indexOf('mdhd') + 16);
  if (change.milliseconds) bytes.writeUInt32BE(Math.round((change.milliseconds * movie) / 1000), entry);
  if (change.skipFrames) {
    bytes.writeInt32BE(bytes.readInt32BE(entry + 4) + Math.round((change.skipFrames * media) / 25), entry + 4);
  }
  if (change.speed) bytes.writeInt32BE(change.speed * 0x10000, entry + 8);
  writeFileSync(path, bytes);
}
