import { getEngine } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { Checkpoint } from '../checkpoint/index.js';
import { DEAOT_CONFIGS, type DeAotName } from '../deaot/config.js';
import { DeAot, type LoadOptions } from '../deaot/model.js';
import { DeAotTracker } from '../deaot/tracker.js';
import { compareLabels, compareTap, FEATURE_LIMIT, LOGIT_LIMIT, type TapResult, VerificationError } from './taps.js';

/** Long-term gap with which the published taps were computed. */
const GOLDEN_GAP = 2;

/** Channels-last values of a tap that PyTorch stored as [1, C, h, w]; other ranks hold one row a token already. */
function channelsLast(data: Float32Array, shape: readonly number[]): { data: Float32Array; channels: number } {
  if (shape.length !== 4) return { data, channels: shape.at(-1)! };
  const [, channels, height, width] = shape as [number, number, number, number];
  const pixels = height * width;
  const out = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < pixels; i++) out[i * channels + c] = data[c * pixels + i]!;
  return { data: out, channels };
}

/** Our tensor in the layout of the tap: channel padding dropped, transposed keys turned back. */
async function values(tensor: Tensor, name: string, channels: number, length: number): Promise<Float32Array> {
  const data = new Float32Array(await getEngine().read(tensor));
  const stride = tensor.shape.at(-1)!;
  if (name.endsWith('.K')) {
    return Float32Array.from({ length }, (_, i) => data[(i % channels) * stride + Math.floor(i / channels)]!);
  }
  if (stride === channels) return data.subarray(0, length);
  return Float32Array.from({ length }, (_, i) => data[Math.floor(i / channels) * stride + (i % channels)]!);
}

/**
 * Runs a DeAOT golden on this machine's adapter: procedural weights, the stored frames, and every stored intermediate
 * compared with ours. Users run it to learn whether their GPU computes right. Each frame is remembered with the reference's labels, so that
 * frames are compared one by one.
 *
 * @param manifest The weights' recipe; a checkpoint with real weights works as well.
 * @param taps Safetensors file with `mask0_u8`, `frameN.rgb_u8` and what was computed from them.
 * @throws VerificationError when the taps lack what a run needs.
 */
export async function verifyDeAot(
  name: DeAotName,
  manifest: Checkpoint,
  taps: Checkpoint,
  options: LoadOptions = {},
): Promise<TapResult[]> {
  for (const key of ['mask0_u8', 'frame0.rgb_u8']) {
    if (!taps.has(key)) throw new VerificationError(`${taps.file} has no tap "${key}".`);
  }
  const model = await DeAot.load(manifest, DEAOT_CONFIGS[name], options);
  const [height, width] = taps.info('mask0_u8').shape as [number, number];
  const results: TapResult[] = [];
  const pending: { key: string; copy: Promise<Float32Array> }[] = [];
  const references = new Map<string, { data: Float32Array; channels: number }>();
  for (const key of taps.keys) {
    if (/^frame\d+\.(enc\d|id_emb|long\d\..*|lstt\d|logits4x)$/.test(key)) {
      const { data, shape } = await taps.read(key);
      references.set(key, channelsLast(data, shape));
    }
  }
  const tracker = new DeAotTracker(
    model,
    { height, width },
    {
      longTermGap: GOLDEN_GAP,
      longEdge: Math.max(height, width),
      onTap: (tapName, tensor) => {
        const key = tapName.replace('.group0.', '.');
        const reference = references.get(key);
        if (reference) pending.push({ key, copy: values(tensor, key, reference.channels, reference.data.length) });
      },
    },
  );
  const settle = async () => {
    for (const { key, copy } of pending.splice(0)) {
      results.push(
        compareTap(key, await copy, references.get(key)!.data, key.endsWith('logits4x') ? LOGIT_LIMIT : FEATURE_LIMIT),
      );
    }
  };
  try {
    const mask = (await taps.read('mask0_u8')).data;
    const objects = mask.reduce((a, b) => Math.max(a, b));
    tracker.addReference(0, await rgba(taps, 0), mask, objects);
    await settle();
    for (let frame = 1; taps.has(`frame${frame}.rgb_u8`); frame++) {
      tracker.propagate(frame, await rgba(taps, frame));
      const labels = await tracker.labels();
      const key = `frame${frame}.label_u8`;
      const reference = taps.has(key) ? (await taps.read(key)).data : undefined;
      // With the reference's labels, a pixel in which two objects are equal but for rounding stays one pixel.
      tracker.update(reference ?? labels);
      await settle();
      if (reference) results.push(compareLabels(key, labels, reference));
    }
  } finally {
    tracker.dispose();
    model.dispose();
  }
  return results;
}

async function rgba(taps: Checkpoint, frame: number): Promise<Uint8Array> {
  const { data } = await taps.read(`frame${frame}.rgb_u8`);
  const out = new Uint8Array((data.length / 3) * 4).fill(255);
  for (let i = 0; i < data.length / 3; i++) for (let c = 0; c < 3; c++) out[i * 4 + c] = data[i * 3 + c]!;
  return out;
}
