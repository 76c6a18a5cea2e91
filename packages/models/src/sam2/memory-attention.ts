import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import { transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { FEATURES, MEMORY_CHANNELS, MEMORY_FRAMES, type Sam2Config } from './config.js';
import { rotaryPositions, sinePositions } from './positions.js';

/** Share of the image's positions that is added to its features. */
const POSITION_SHARE = 0.1;

/** What an object remembers, as the attention sees it. */
export interface MemoryContext {
  /** Memories of frames, float32 [n^2, 64], and the row of the temporal encoding that belongs to each. */
  frames: readonly { memory: Tensor; row: number }[];
  /** Object pointers in tokens of 64 channels, float32 [P, 64], and their positions; missing where there are none. */
  pointers?: { tokens: Tensor; positions: Tensor };
}

/** The part of the attention that does not depend on what is remembered; the tensors belong to the receiver. */
export interface AttentionStart {
  /** After the first layer has attended to itself, float32 [n^2, 256]. */
  attended: Tensor;
  /** What that asks the memory. */
  query: Tensor;
}

/** The same with positions. */
interface PositionedMemory {
  /** float32 [n^2, 64] each. */
  frames: readonly Tensor[];
  /** float32 [P, 64]. */
  pointers: Tensor | undefined;
  /** Memories and pointers without positions, one below the other, float32 [frames n^2 + P, 64]. */
  values: Tensor;
}

/** Cosines and sines of positions, float32 [tokens, out]. */
interface Turns {
  cos: Tensor;
  sin: Tensor;
}

/** Linear layers side by side, of 256 outputs each, whose results are turned by rotary positions. */
class RotaryLinear {
  private constructor(
    readonly layer: Linear,
    /** -b and a where the layer has a and b. */
    private readonly turned: Linear,
  ) {}

  static async load(source: LayerSource, keys: readonly string[], inputs: number): Promise<RotaryLinear> {
    const { weights } = source;
    const width = keys.length * FEATURES;
    const matrix = new Float32Array(width * inputs);
    const shift = new Float32Array(width);
    for (const [i, key] of keys.entries()) {
      matrix.set(await weights.take(`${key}.weight`, [FEATURES, inputs]), i * FEATURES * inputs);
      shift.set(await weights.take(`${key}.bias`, [FEATURES]), i * FEATURES);
    }
    const layer = (rows: Float32Array, bias: Float32Array) =>
      Linear.of(source, transposeLinear(rows, inputs, 0, width), bias);
    return new RotaryLinear(layer(matrix, shift), layer(turnedRows(matrix, inputs), turnedRows(shift, 1)));
  }

  /** (a, b) -> (a cos - b sin, a sin + b cos) for each pair of channels of the result. */
  forward(x: Tensor, { cos, sin }: Turns): Tensor {
    return this.layer.forward(x, { gate: cos, residual: this.turned.forward(x, { gate: sin }) });
  }
}

/** A layer; those with names of the state dict are as there. */
interface Layer {
  norm1: LayerNorm;
  selfQueryKey: RotaryLinear;
  selfValue: Linear;
  selfOut: Linear;
  norm2: LayerNorm;
  query: RotaryLinear;
  key: RotaryLinear;
  /** The values' projection and the output's, as one: [64, 256]. */
  out: Linear;
  norm3: LayerNorm;
  mlp: Mlp;
}

/**
 * Memory attention of SAM 2 (sam2, `modeling/memory_attention.py`, `modeling/sam/transformer.py`, `RoPEAttention`): a frame's features
 * attend to themselves and to what an object remembers.
 *
 * Values get no positions and there is one head, whose weights sum to 1, so that the values' projection can follow the
 * attention: attention runs over the 64 channels of the memory itself, and no value is ever projected.
 */
export class MemoryAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly layers: readonly Layer[],
    private readonly norm: LayerNorm,
    private readonly constants: {
      /** float32 [n^2, 256]. */
      positions: Tensor;
      /** Cosines and sines, float32 [n^2, 256] and twice that wide. */
      turns: Turns;
      wideTurns: Turns;
      /** Positions of a memory's tokens with each row of the temporal encoding, float32 [n^2, 64]. */
      memoryPositions: readonly Tensor[];
    },
  ) {}

  static async load(
    source: LayerSource,
    { memoryLayers, memoryHidden }: Sam2Config,
    side: number,
  ): Promise<MemoryAttention> {
    const { weights, ops } = source;
    const layers: Layer[] = [];
    for (let i = 0; i < memoryLayers; i++) {
      layers.push(await loadLayer(source, `memory_attention.layers.${i}`, memoryHidden));
    }
    const positions = side ** 2;
    const own = (values: Float32Array, channels: number) => weights.own(tensor(values, [positions, channels]));
    const { cos, sin } = rotaryPositions(side, FEATURES);
    const rows = await weights.take('maskmem_tpos_enc', [MEMORY_FRAMES, 1, 1, MEMORY_CHANNELS]);
    const sine = sinePositions(side, MEMORY_CHANNELS);
    return new MemoryAttention(ops, layers, await LayerNorm.load(source, 'memory_attention.norm', FEATURES), {
      positions: own(
        sinePositions(side, FEATURES).map((value) => value * POSITION_SHARE),
        FEATURES,
      ),
      turns: { cos: own(cos, FEATURES), sin: own(sin, FEATURES) },
      wideTurns: { cos: own(twice(cos), 2 * FEATURES), sin: own(twice(sin), 2 * FEATURES) },
      memoryPositions: Array.from({ length: MEMORY_FRAMES }, (_, row) =>
        own(
          sine.map((value, i) => value + rows[row * MEMORY_CHANNELS + (i % MEMORY_CHANNELS)]!),
          MEMORY_CHANNELS,
        ),
      ),
    });
  }

  /** What all objects of a frame share. @param features float32 [n^2, 256] */
  begin(features: Tensor): AttentionStart {
    const { ops, constants } = this;
    const [layer] = this.layers as [Layer];
    return tidyAll(() => {
      const attended = this.#attendSelf(layer, ops.broadcastAdd(features, constants.positions));
      return { attended, query: layer.query.forward(layer.norm2.forward(attended), constants.turns) };
    });
  }

  /**
   * What replaces the frame's features for some objects, each with a memory of its own. The first layer asks the same for all of
   * them; from there on their rows stand one below the other, so that what sees no memory and no position is done for all at once.
   * @param onTap Sees each layer.
   * @returns float32 [objects n^2, 256].
   */
  forward(
    start: AttentionStart,
    contexts: readonly MemoryContext[],
    onTap?: (name: string, tensor: Tensor) => void,
  ): Tensor {
    const { ops } = this;
    return tidy(() => {
      const memories = contexts.map((context) => this.#positioned(context));
      let x: Tensor | undefined;
      for (const [i, layer] of this.layers.entries()) {
        const next: Tensor = tidy(() => {
          const attended = x
            ? this.#attendSelf(layer, x)
            : rowsBelow(
                ops,
                contexts.map(() => start.attended),
              );
          const asking = x && this.#ofEach(layer.norm2.forward(attended));
          const found = memories.map((memory, object) => {
            const query = asking ? layer.query.forward(asking(object), this.constants.turns) : start.query;
            return this.#attendMemory(layer, query, memory);
          });
          const seen = layer.out.forward(rowsBelow(ops, found), { residual: attended });
          return layer.mlp.forward(layer.norm3.forward(seen), seen);
        });
        x?.dispose();
        x = next;
        onTap?.(`layer${i}`, next);
      }
      return this.norm.forward(x!);
    });
  }

  /** A memory with its positions: what each layer makes its keys of. */
  #positioned({ frames, pointers }: MemoryContext): PositionedMemory {
    const { ops, constants } = this;
    return {
      frames: frames.map(({ memory, row }) => ops.broadcastAdd(memory, constants.memoryPositions[row]!)),
      pointers: pointers && ops.broadcastAdd(pointers.tokens, pointers.positions),
      values: rowsBelow(ops, [...frames.map(({ memory }) => memory), ...(pointers ? [pointers.tokens] : [])]),
    };
  }

  /** The rows of each object. */
  #ofEach(x: Tensor): (object: number) => Tensor {
    const { ops, constants } = this;
    const [positions] = constants.positions.shape as [number];
    return (object) => (x.shape[0] === positions ? x : rowsOf(ops, x, object * positions, positions));
  }

  /** @param x float32 [objects n^2, 256]. */
  #attendSelf(layer: Layer, x: Tensor): Tensor {
    const { ops, constants } = this;
    const [positions] = constants.positions.shape as [number];
    return tidy(() => {
      const normed = layer.norm1.forward(x);
      const normedOf = this.#ofEach(normed);
      const valuesOf = this.#ofEach(layer.selfValue.forward(normed));
      const seen = Array.from({ length: x.shape[0]! / positions }, (_, object) =>
        tidy(() => {
          const queryKey = layer.selfQueryKey.forward(normedOf(object), constants.wideTurns);
          return ops.gatedAttention({
            query: queryKey,
            queryColumns: [0, FEATURES],
            keys: ops.transpose(queryKey, { columns: [FEATURES, FEATURES], padded: true }),
            values: [{ tensor: valuesOf(object) }],
            validKeys: positions,
            scale: 1 / Math.sqrt(FEATURES),
          });
        }),
      );
      return layer.selfOut.forward(rowsBelow(ops, seen), { residual: x });
    });
  }

  /** What one object's memory answers, float32 [n^2, 64]. */
  #attendMemory(layer: Layer, query: Tensor, { frames, pointers, values }: PositionedMemory): Tensor {
    const { ops, constants } = this;
    return tidy(() => {
      const keys = [
        ...frames.map((frame) => layer.key.forward(frame, constants.turns)),
        ...(pointers ? [layer.key.layer.forward(pointers)] : []),
      ];
      return ops.gatedAttention({
        query,
        keys: ops.transpose(rowsBelow(ops, keys), { padded: true }),
        values: [{ tensor: values }],
        validKeys: values.shape[0]!,
        scale: 1 / Math.sqrt(FEATURES),
      });
    });
  }
}

/** Matrices of equally many columns, one below the other. */
function rowsBelow(ops: OpSet, parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const columns = parts[0]!.shape[1]!;
  const joined = ops.concatColumns(parts.map((part) => ({ x: reshape(part, [1, part.size]) })));
  return reshape(joined, [joined.size / columns, columns]);
}

/** Some rows of a matrix. */
function rowsOf(ops: OpSet, x: Tensor, first: number, count: number): Tensor {
  const columns = x.shape[1]!;
  const flat = reshape(x, [1, x.size]);
  return reshape(ops.concatColumns([{ x: flat, columns: [first * columns, count * columns] }]), [count, columns]);
}

/** Rows of 256 values, each twice side by side. */
function twice(values: Float32Array): Float32Array {
  const out = new Float32Array(2 * values.length);
  for (let i = 0; i < values.length; i += FEATURES) {
    const row = values.subarray(i, i + FEATURES);
    out.set(row, 2 * i);
    out.set(row, 2 * i + FEATURES);
  }
  return out;
}

async function loadLayer(source: LayerSource, key: string, hidden: number): Promise<Layer> {
  const norm = (n: number) => LayerNorm.load(source, `${key}.norm${n}`, FEATURES);
  const [self, cross] = [`${key}.self_attn`, `${key}.cross_attn_image`];
  return {
    norm1: await norm(1),
    selfQueryKey: await RotaryLinear.load(source, [`${self}.q_proj`, `${self}.k_proj`], FEATURES),
    selfValue: await Linear.load(source, `${self}.v_proj`, FEATURES, FEATURES),
    selfOut: await Linear.load(source, `${self}.out_proj`, FEATURES, FEATURES),
    norm2: await norm(2),
    query: await RotaryLinear.load(source, [`${cross}.q_proj`], FEATURES),
    key: await RotaryLinear.load(source, [`${cross}.k_proj`], MEMORY_CHANNELS),
    out: await loadValueOut(source, cross),
    norm3: await norm(3),
    mlp: await Mlp.load(source, [`${key}.linear1`, `${key}.linear2`], FEATURES, hidden, 'relu'),
  };
}

/** Rows a and b of each pair as -b and a. */
function turnedRows(rows: Float32Array, length: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let i = 0; i < rows.length; i += 2 * length) {
    for (let k = 0; k < length; k++) {
      out[i + k] = -rows[i + length + k]!;
      out[i + length + k] = rows[i + k]!;
    }
  }
  return out;
}

/** Wo Wv and Wo bv + bo, summed in double precision. */
async function loadValueOut(source: LayerSource, key: string): Promise<Linear> {
  const { weights } = source;
  const value = await weights.take(`${key}.v_proj.weight`, [FEATURES, MEMORY_CHANNELS]);
  const valueBias = await weights.take(`${key}.v_proj.bias`, [FEATURES]);
  const out = await weights.take(`${key}.out_proj.weight`, [FEATURES, FEATURES]);
  const outBias = await weights.take(`${key}.out_proj.bias`, [FEATURES]);
  const weight = new Float32Array(MEMORY_CHANNELS * FEATURES);
  const bias = new Float32Array(FEATURES);
  for (let o = 0; o < FEATURES; o++) {
    const row = out.subarray(o * FEATURES, (o + 1) * FEATURES);
    for (let i = 0; i < MEMORY_CHANNELS; i++) {
      let sum = 0;
      for (let k = 0; k < FEATURES; k++) sum += row[k]! * value[k * MEMORY_CHANNELS + i]!;
      weight[i * FEATURES + o] = sum;
    }
    bias[o] = row.reduce((sum, factor, k) => sum + factor * valueBias[k]!, outBias[o]!);
  }
  return Linear.of(source, weight, bias);
}
