import { type FrameOps, ShapeError } from '@samtrack/kernels';
import type { Tensor } from '@tensorflow/tfjs-core';
import { ELEMENT_TYPES } from '../graph/graph.js';
import type { OnnxTrace } from '../trace.js';

/** Channels of a group's logits: background, ten identities, one unused. */
const CHANNELS = 12;
const IDENTITIES = 10;
/** What identities are added that do not exist: their probability is 0. */
const ABSENT = -1e30;
/** Probabilities of several groups are clamped before they are compared (AOT, soft aggregation). */
const EPSILON = 1e-5;

/** Logits [groups, h, w, channels] as [groups, channels, h, w]. */
function channelsFirst(trace: OnnxTrace, logits: Tensor): string {
  const [groups, height, width, channels] = logits.shape as [number, number, number, number];
  if (groups === 1) return trace.image(logits, [height, width, channels]).name;
  return trace.graph.node('Transpose', [trace.rows(logits).name], { perm: [0, 3, 1, 2] });
}

/** Minus infinity, or nearly, for channels that stand for no object. */
function absence(trace: OnnxTrace, groups: number, objects: number): string {
  const values = Float32Array.from({ length: groups * CHANNELS }, (_, i) => {
    const channel = i % CHANNELS;
    const id = Math.floor(i / CHANNELS) * IDENTITIES + channel;
    return channel === 0 || (channel <= IDENTITIES && id <= objects) ? 0 : ABSENT;
  });
  return trace.literal(values, [groups, CHANNELS, 1, 1]);
}

/** @param shape of the result. Whole, since ONNX Runtime 1.30 confuses axes where it moves a transposition past the node. */
function resize(trace: OnnxTrace, maps: string, shape: readonly number[], alignCorners: boolean): string {
  return resizeTo(trace, maps, trace.graph.ints(...shape), alignCorners);
}

function resizeTo(trace: OnnxTrace, maps: string, sizes: string, alignCorners: boolean): string {
  return trace.graph.node('Resize', [maps, '', '', sizes], {
    mode: 'linear',
    coordinate_transformation_mode: alignCorners ? 'align_corners' : 'half_pixel',
  });
}

/** The first `count` maps of one group resized; how many these are is an input, so that all numbers of objects share a graph. */
function resizePrefix(
  trace: OnnxTrace,
  maps: string,
  count: number,
  [height, width]: readonly number[],
  alignCorners: boolean,
): string {
  const { graph } = trace;
  const end = trace.literal(BigInt64Array.of(BigInt(count)), [1]);
  const sizes = graph.node('Concat', [graph.ints(1), end, graph.ints(height!, width!)], { axis: 0 });
  return resizeTo(trace, graph.node('Slice', [maps, graph.ints(0), end, graph.ints(1)]), sizes, alignCorners);
}

/** Probabilities of background and identities, [1, 1 + 10 * groups, H, W], from those of several groups. */
function merged(trace: OnnxTrace, logits: string, groups: number, [height, width]: readonly number[]): string {
  const { graph } = trace;
  const part = (name: string, first: number, count: number) =>
    graph.node('Slice', [name, graph.ints(first), graph.ints(first + count), graph.ints(1)]);
  const clamp = (name: string) => graph.node('Clip', [name, trace.scalar(EPSILON), trace.scalar(1 - EPSILON)]);
  const probabilities = graph.node('Softmax', [logits], { axis: 1 });
  const background = graph.node('ReduceProd', [part(probabilities, 0, 1), graph.ints(0)], { keepdims: 1 });
  const identities = trace.reshape(part(probabilities, 1, IDENTITIES), [1, groups * IDENTITIES, height!, width!]);
  return graph.node('Concat', [clamp(background), clamp(identities)], { axis: 1 });
}

/** The first of the largest along the channels, int32 of `shape`. */
function largest(trace: OnnxTrace, maps: string, shape: readonly number[]): Tensor {
  const { graph } = trace;
  const index = graph.node('ArgMax', [maps], { axis: 1, keepdims: 0, select_last_index: 0 });
  const name = trace.reshape(graph.node('Cast', [index], { to: ELEMENT_TYPES.int32 }), shape);
  return trace.tensor(shape, { name, layout: 'rows', shape }, 'int32');
}

const groupsOf = (objects: number) => Math.max(1, Math.ceil(objects / IDENTITIES));

export const labelDecode =
  (trace: OnnxTrace): FrameOps['labelDecode'] =>
  (logits, { objects, height, width, alignCorners }) => {
    const groups = logits.shape[0]!;
    if (logits.rank !== 4 || logits.shape[3] !== CHANNELS || groups !== groupsOf(objects)) {
      throw new ShapeError('labelDecode', `logits [${groupsOf(objects)}, h, w, ${CHANNELS}]`, { logits });
    }
    const size = [height, width];
    const planes = channelsFirst(trace, logits);
    if (groups === 1) return largest(trace, resizePrefix(trace, planes, objects + 1, size, alignCorners), size);
    const maps = resize(trace, planes, [groups, CHANNELS, ...size], alignCorners);
    const known = trace.graph.node('Add', [maps, absence(trace, groups, objects)]);
    return largest(trace, merged(trace, known, groups, size), size);
  };

export const labelUncertainty =
  (trace: OnnxTrace): FrameOps['labelUncertainty'] =>
  (logits, { objects }) => {
    const { graph } = trace;
    const [groups, height, width, channels] = logits.shape as [number, number, number, number];
    if (logits.rank !== 4 || channels !== CHANNELS || objects < 1 || groups !== groupsOf(objects)) {
      throw new ShapeError('labelUncertainty', `logits [${groupsOf(objects)}, h, w, ${CHANNELS}]`, { logits });
    }
    const size = [height, width];
    const known = graph.node('Add', [channelsFirst(trace, logits), absence(trace, groups, objects)]);
    let p = groups > 1 ? merged(trace, known, groups, size) : graph.node('Softmax', [known], { axis: 1 });
    const best = graph.node('Cast', [graph.node('ArgMax', [p], { axis: 1, keepdims: 1 })], {
      to: ELEMENT_TYPES.float32,
    });
    // Identities that do not exist were clamped from 0, and do not count.
    const exists = Float32Array.from({ length: groups > 1 ? 1 + groups * IDENTITIES : CHANNELS }, (_, i) =>
      i <= objects ? 1 : 0,
    );
    p = graph.node('Mul', [p, trace.literal(exists, [1, exists.length, 1, 1])]);
    const total = graph.node('ReduceSum', [p, graph.ints(1)], { keepdims: 1 });
    const share = graph.node('Div', [p, total]);
    // The logarithm of 0 would be infinite; 0 times what stands in its place is 0.
    const log = graph.node('Log', [graph.node('Max', [share, trace.scalar(1e-38)])]);
    const entropy = graph.node('ReduceSum', [graph.node('Mul', [share, log]), graph.ints(1)], { keepdims: 1 });
    const scale = trace.literal(Float32Array.of(-1 / Math.log(objects + 1)), [1]);
    const both = graph.node('Concat', [best, graph.node('Mul', [entropy, scale])], { axis: 1 });
    return trace.tensor([height, width, 2], { name: both, layout: 'image', shape: [1, 2, height, width] });
  };

export const labelArgmax =
  (trace: OnnxTrace): FrameOps['labelArgmax'] =>
  (maps, { classes, height, width, alignCorners }) => {
    const channels = maps.shape[2]!;
    if (maps.rank !== 3 || classes < 1 || classes > channels) {
      throw new ShapeError('labelArgmax', `maps [h, w, L], L at least ${classes}`, { maps });
    }
    const size = [height, width];
    const resized = resize(trace, trace.image(maps).name, [1, channels, ...size], alignCorners);
    const known = Float32Array.from({ length: channels }, (_, i) => (i < classes ? 0 : ABSENT));
    const masked = trace.graph.node('Add', [resized, trace.literal(known, [1, channels, 1, 1])]);
    return largest(trace, masked, size);
  };
