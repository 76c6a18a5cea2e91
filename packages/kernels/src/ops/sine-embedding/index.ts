import type { Tensor } from '@tensorflow/tfjs-core';
import { defineKernel } from '../../dispatch/kernel.js';
import { fields, float32, number, optional } from '../../op/arguments.js';
import { defineOp } from '../../op/define.js';
import sineWgsl from './sine.wgsl';

const sine = defineKernel({ name: 'sine-embedding', template: sineWgsl });

/** Options of `boxSineEmbedding`. */
export interface BoxSineEmbeddingOptions {
  /** Values a coordinate becomes, a multiple of 4; 128 by default. */
  channels?: number | undefined;
  /** 10000 by default. */
  temperature?: number | undefined;
}

/** Angular frequency of channels 2 i and 2 i + 1, for coordinates from 0 to 1. */
export const sineFrequency = (i: number, channels: number, temperature: number): number =>
  (2 * Math.PI) / temperature ** ((2 * i) / channels);

const lists = new Map<string, string>();

/** The frequencies as a WGSL list of pairs: two for each vector of 4 channels. */
function frequencies(channels: number, temperature: number): string {
  const key = `${channels},${temperature}`;
  const known = lists.get(key);
  if (known !== undefined) return known;
  const pairs = Array.from({ length: channels / 4 }, (_, i) => {
    const [a, b] = [sineFrequency(2 * i, channels, temperature), sineFrequency(2 * i + 1, channels, temperature)];
    return `vec2f(${a.toExponential()}, ${b.toExponential()})`;
  });
  const list = pairs.join(', ');
  lists.set(key, list);
  return list;
}

/**
 * Sine codes of boxes: each coordinate c becomes `sin(c w_0), cos(c w_0), sin(c w_1), ...` with `w_i = 2 pi / temperature^(2 i /
 * channels)`, in the order y, x, width, height. Liu et al., "DAB-DETR" (2022), eq. 4; GroundingDINO's
 * `gen_sineembed_for_position`. WGSL promises little of its own sine, so this one reduces its argument and evaluates a
 * polynomial: errors stay below 3e-7.
 *
 * @param boxes float32 [Q, 4]: centre x, centre y, width, height.
 * @returns float32 [Q, 4 * channels].
 * @throws ShapeError when `boxes` has not four columns or the channels are not a multiple of 4.
 */
export const boxSineEmbedding = defineOp({
  name: 'sine-embedding',
  takes: {
    boxes: float32,
    options: fields<BoxSineEmbeddingOptions>({ channels: optional(number), temperature: optional(number) }),
  },
  kernels: [sine],
  run(call, boxes: Tensor, { channels = 128, temperature = 10_000 }: BoxSineEmbeddingOptions = {}): Tensor {
    if (boxes.rank !== 2 || boxes.shape[1] !== 4 || channels < 4 || channels % 4 !== 0) {
      throw call.wrong('boxes of four coordinates, each to become a multiple of 4 channels,', { boxes });
    }
    const queries = boxes.shape[0]!;
    const out = call.allocate([queries, 4 * channels]);
    call.launch(sine, {
      params: { FREQUENCIES: frequencies(channels, temperature), CHANNELS4: channels / 4 },
      tensors: { boxes, out },
      uniforms: { boxes: queries },
      invocations: queries * channels,
    });
    return out;
  },
});
