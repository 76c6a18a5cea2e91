import { availableParallelism } from 'node:os';
import { EncodedPacketSink, type InputVideoTrack, type VideoCodec, VideoSample } from 'mediabunny';
import type { Decoded } from '../decoded.js';

/** More decoder threads only cost memory: each holds a frame. They also keep a few frames ready ahead of the reader. */
const MAX_THREADS = 4;

const CODEC_IDS: Record<VideoCodec, `AV_CODEC_ID_${string}`> = {
  avc: 'AV_CODEC_ID_H264',
  hevc: 'AV_CODEC_ID_HEVC',
  vp8: 'AV_CODEC_ID_VP8',
  vp9: 'AV_CODEC_ID_VP9',
  av1: 'AV_CODEC_ID_AV1',
  prores: 'AV_CODEC_ID_PRORES',
};

/**
 * Decodes a video track with FFmpeg from the key frame before `from` (seconds), in presentation order.
 *
 * mediabunny's own sample sink drops the pictures it has queued when a packet is bad, and leaves a rejected promise behind that ends the
 * process; here every picture before a bad packet comes out, and the bad packet is reported.
 */
export async function* decodeTrack(track: InputVideoTrack, from: number): AsyncGenerator<Decoded, void, undefined> {
  const [av, { AvFrameVideoSampleResource }] = await Promise.all([import('node-av'), import('@mediabunny/server')]);
  const [codecName, config, rotation, flip, { num, den }, container] = await Promise.all([
    track.getCodec(),
    track.getDecoderConfig(),
    track.getRotation(),
    track.getFlip(),
    track.getPixelAspectRatio(),
    track.getColorSpace(),
  ]);
  const codecId = av[CODEC_IDS[codecName!] as 'AV_CODEC_ID_H264'];
  const codec = av.Codec.findDecoder(codecId);
  if (!codec || !config) throw new Error(`no decoder for ${codecName}`);

  const sink = new EncodedPacketSink(track);
  const verified = { verifyKeyPackets: true };
  const first = (await sink.getKeyPacket(from, verified)) ?? (await sink.getFirstKeyPacket(verified));
  if (!first) return;

  const context = new av.CodecContext();
  const packet = new av.Packet();
  const frame = new av.Frame();
  context.allocContext3(codec);
  packet.alloc();
  frame.alloc();
  const packets = sink.packets(first);
  /** Exact times and durations by the microsecond time stamp that goes through the decoder. */
  const times = new Map<bigint, { timestamp: number; duration: number }>();

  async function* drain(): AsyncGenerator<Decoded, void, undefined> {
    while ((await context.receiveFrame(frame)) >= 0) {
      const known = times.get(frame.pts) ?? { timestamp: Number(frame.pts) / 1e6, duration: 0 };
      times.delete(frame.pts);
      frame.sampleAspectRatio = new av.Rational(num, den);
      const picture = frame.clone();
      if (!picture) throw new Error('out of memory for a decoded frame');
      const sample = new VideoSample(new AvFrameVideoSampleResource(picture), { ...known, rotation, flip });
      // The container's word counts before the bitstream's, as in browsers.
      const own = sample.colorSpace;
      const colour = {
        matrix: container.matrix ?? own.matrix,
        fullRange: container.fullRange ?? own.fullRange,
        transfer: container.transfer ?? own.transfer,
        primaries: container.primaries ?? own.primaries,
      };
      const isDamaged = frame.hasFlags(av.AV_FRAME_FLAG_CORRUPT) || frame.decodeErrorFlags !== 0;
      yield { sample, colour, isDamaged };
    }
  }

  try {
    context.width = config.codedWidth ?? 0;
    context.height = config.codedHeight ?? 0;
    context.threadCount = Math.min(MAX_THREADS, availableParallelism());
    if (config.description) {
      const { description } = config;
      context.extraData = ArrayBuffer.isView(description)
        ? Buffer.from(description.buffer, description.byteOffset, description.byteLength)
        : Buffer.from(description);
    }
    // Strict compliance makes FFmpeg honour H.264 reordering that the stream only implies.
    const options = av.Dictionary.fromObject({ strict: av.FF_COMPLIANCE_STRICT });
    av.FFmpegError.throwIfError(await context.open2(codec, options), 'open the decoder');

    for await (const { data, type, timestamp, duration, microsecondTimestamp } of packets) {
      if (data.length === 0) continue;
      const pts = BigInt(microsecondTimestamp);
      times.set(pts, { timestamp, duration });
      packet.isKeyframe = type === 'key';
      packet.data = Buffer.from(data);
      packet.timeBase = { num: 1, den: 1_000_000 };
      packet.pts = pts;
      packet.dts = av.AV_NOPTS_VALUE;
      const status = await context.sendPacket(packet);
      packet.unref();
      if (status < 0) yield { badTime: timestamp, cause: av.FFmpegError.fromCode(status) };
      yield* drain();
    }
    await context.sendPacket(null);
    yield* drain();
  } finally {
    await packets.return();
    context.freeContext();
    packet.free();
    frame.free();
  }
}
