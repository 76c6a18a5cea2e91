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
    return tidyAll(() => {
      const attended = this.#attendSelf(this.layers[0]!, ops.broadcastAdd(features, constants.positions));
      return { attended, query: this.#query(this.layers[0]!, attended) };
    });
  }

  /** @returns What replaces the frame's features for an object, float32 [n^2, 256]. */
  forward(start: AttentionStart, context: MemoryContext, onTap?: (name: string, tensor: Tensor) => void): Tensor {
    const { ops, constants, norm } = this;
    const { frames, pointers } = context;
    return tidy(() => {
      const memories = frames.map(({ memory, row }) => ({
        memory,
        positioned: ops.broadcastAdd(memory, constants.memoryPositions[row]!),
      }));
      const positionedPointers = pointers && ops.broadcastAdd(pointers.tokens, pointers.positions);
      const values = rowsBelow(ops, [...frames.map(({ memory }) => memory), ...(pointers ? [pointers.tokens] : [])]);
      let x: Tensor | undefined;
      for (const [i, layer] of this.layers.entries()) {
        const next: Tensor = tidy(() => {
          const attended = x ? this.#attendSelf(layer, x) : start.attended;
          const query = x ? this.#query(layer, attended) : start.query;
          const keys = [
            ...memories.map(({ positioned }) => layer.key.forward(positioned, constants.turns)),
            ...(positionedPointers ? [layer.key.layer.forward(positionedPointers)] : []),
          ];
          const seen = this.#attendMemory(layer, attended, query, keys, values);
          return layer.mlp.forward(layer.norm3.forward(seen), seen);
        });
        x?.dispose();
        x = next;
        onTap?.(`layer${i}`, next);
      }
      return norm.forward(x!);
    });
  }

  #attendSelf(layer: Layer, x: Tensor): Tensor {
    const { ops, constants } = this;
    return tidy(() => {
      const y = layer.norm1.forward(x);
      const queryKey = layer.selfQueryKey.forward(y, constants.wideTurns);
      const seen = ops.gatedAttention({
        query: queryKey,
        queryColumns: [0, FEATURES],
        keys: ops.transpose(queryKey, { columns: [FEATURES, FEATURES], padded: true }),
        values: [{ tensor: layer.selfValue.forward(y) }],
        validKeys: x.shape[0]!,
        scale: 1 / Math.sqrt(FEATURES),
      });
      return layer.selfOut.forward(seen, { residual: x });
    });
  }

  /** What a frame asks the memory. */
  #query(layer: Layer, x: Tensor): Tensor {
    return layer.query.forward(layer.norm2.forward(x), this.constants.turns);
  }

  #attendMemory(layer: Layer, x: Tensor, query: Tensor, keys: readonly Tensor[], values: Tensor): Tensor {
    const { ops } = this;
    return tidy(() => {
      const seen = ops.gatedAttention({
        query,
        keys: ops.transpose(rowsBelow(ops, keys), { padded: true }),
        values: [{ tensor: values }],
        validKeys: values.shape[0]!,
        scale: 1 / Math.sqrt(FEATURES),
      });
      return layer.out.forward(seen, { residual: x });
    });
  }
}

/** Matrices of equally many columns, one below the other. */
export function rowsBelow(ops: OpSet, parts: readonly Tensor[]): Tensor {
  const columns = parts[0]!.shape[1]!;
  const joined = ops.concatColumns(parts.map((part) => ({ x: reshape(part, [1, part.size]) })));
  return reshape(joined, [joined.size / columns, columns]);
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
