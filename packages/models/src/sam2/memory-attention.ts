import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadLinear, transposeLinear } from '../nn/parameters.js';
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

/** A linear layer whose result is turned by rotary positions: the layer itself, and the same of each pair's other half. */
interface RotaryLinear {
  layer: Linear;
  turned: Linear;
}

interface Layer {
  norm1: Affine;
  selfQueryKey: RotaryLinear;
  selfValue: Linear;
  selfOut: Linear;
  norm2: Affine;
  query: RotaryLinear;
  key: RotaryLinear;
  /** The values' projection and the output's, as one: [64, 256]. */
  out: Linear;
  norm3: Affine;
  hidden: Linear;
  output: Linear;
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
    private readonly norm: Affine,
    private readonly constants: {
      /** float32 [n^2, 256]. */
      positions: Tensor;
      /** Cosines and sines, float32 [n^2, 256] and twice that wide. */
      turns: { cos: Tensor; sin: Tensor };
      wideTurns: { cos: Tensor; sin: Tensor };
      /** Positions of a memory's tokens with each row of the temporal encoding, float32 [n^2, 64]. */
      memoryPositions: readonly Tensor[];
    },
  ) {}

  static async load(
    weights: WeightReader,
    { memoryLayers, memoryHidden }: Sam2Config,
    side: number,
    ops: OpSet,
  ): Promise<MemoryAttention> {
    const layers: Layer[] = [];
    for (let i = 0; i < memoryLayers; i++) {
      layers.push(await loadLayer(weights, `memory_attention.layers.${i}`, memoryHidden));
    }
    const positions = side ** 2;
    const own = (values: Float32Array, channels: number) => weights.own(tensor(values, [positions, channels]));
    const { cos, sin } = rotaryPositions(side, FEATURES);
    const rows = await weights.take('maskmem_tpos_enc', [MEMORY_FRAMES, 1, 1, MEMORY_CHANNELS]);
    const sine = sinePositions(side, MEMORY_CHANNELS);
    return new MemoryAttention(ops, layers, await loadAffine(weights, ['memory_attention.norm'], FEATURES), {
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
    return tidy(() => {
      const attended = this.#attendSelf(this.layers[0]!, ops.broadcastAdd(features, constants.positions));
      return { attended, query: this.#query(this.layers[0]!, attended) } as never;
    }) as AttentionStart;
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
            ...memories.map(({ positioned }) => turn(ops, positioned, layer.key, constants.turns)),
            ...(positionedPointers ? [linear(ops, positionedPointers, layer.key.layer)] : []),
          ];
          const seen = this.#attendMemory(layer, attended, query, keys, values);
          const normal = ops.layerNorm(seen, layer.norm3.weight, layer.norm3.bias);
          return ops.feedForward(normal, layer.hidden, layer.output, { activation: 'relu', residual: seen });
        });
        x?.dispose();
        x = next;
        onTap?.(`layer${i}`, next);
      }
      return ops.layerNorm(x!, norm.weight, norm.bias);
    });
  }

  #attendSelf(layer: Layer, x: Tensor): Tensor {
    const { ops, constants } = this;
    return tidy(() => {
      const y = ops.layerNorm(x, layer.norm1.weight, layer.norm1.bias);
      const queryKey = turn(ops, y, layer.selfQueryKey, constants.wideTurns);
      const seen = ops.gatedAttention({
        query: queryKey,
        queryColumns: [0, FEATURES],
        keys: ops.transpose(queryKey, { columns: [FEATURES, FEATURES], padded: true }),
        values: [{ tensor: linear(ops, y, layer.selfValue) }],
        validKeys: x.shape[0]!,
        scale: 1 / Math.sqrt(FEATURES),
      });
      return ops.gemm(seen, layer.selfOut.weight, { bias: layer.selfOut.bias, residual: x });
    });
  }

  /** What a frame asks the memory. */
  #query(layer: Layer, x: Tensor): Tensor {
    const y = this.ops.layerNorm(x, layer.norm2.weight, layer.norm2.bias);
    return turn(this.ops, y, layer.query, this.constants.turns);
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
      return ops.gemm(seen, layer.out.weight, { bias: layer.out.bias, residual: x });
    });
  }
}

const linear = (ops: OpSet, x: Tensor, { weight, bias }: Linear): Tensor => ops.gemm(x, weight, { bias });

/** (a, b) -> (a cos - b sin, a sin + b cos) for each pair of channels of a linear layer's result. */
function turn(ops: OpSet, x: Tensor, { layer, turned }: RotaryLinear, by: { cos: Tensor; sin: Tensor }): Tensor {
  const crossed = ops.gemm(x, turned.weight, { bias: turned.bias, gate: by.sin });
  return ops.gemm(x, layer.weight, { bias: layer.bias, gate: by.cos, residual: crossed });
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

async function loadLayer(weights: WeightReader, key: string, hidden: number): Promise<Layer> {
  const norm = (n: number) => loadAffine(weights, [`${key}.norm${n}`], FEATURES);
  const [self, cross] = [`${key}.self_attn`, `${key}.cross_attn_image`];
  return {
    norm1: await norm(1),
    selfQueryKey: await loadRotary(weights, [`${self}.q_proj`, `${self}.k_proj`], FEATURES),
    selfValue: await loadLinear(weights, `${self}.v_proj`, FEATURES, FEATURES),
    selfOut: await loadLinear(weights, `${self}.out_proj`, FEATURES, FEATURES),
    norm2: await norm(2),
    query: await loadRotary(weights, [`${cross}.q_proj`], FEATURES),
    key: await loadRotary(weights, [`${cross}.k_proj`], MEMORY_CHANNELS),
    out: await loadValueOut(weights, cross),
    norm3: await norm(3),
    hidden: await loadLinear(weights, `${key}.linear1`, FEATURES, hidden),
    output: await loadLinear(weights, `${key}.linear2`, hidden, FEATURES),
  };
}

/** Layers of 256 outputs side by side; `turned` has -b and a where the layer has a and b. */
async function loadRotary(weights: WeightReader, keys: readonly string[], inputs: number): Promise<RotaryLinear> {
  const width = keys.length * FEATURES;
  const matrix = new Float32Array(width * inputs);
  const shift = new Float32Array(width);
  for (const [i, key] of keys.entries()) {
    matrix.set(await weights.take(`${key}.weight`, [FEATURES, inputs]), i * FEATURES * inputs);
    shift.set(await weights.take(`${key}.bias`, [FEATURES]), i * FEATURES);
  }
  const layer = (rows: Float32Array, bias: Float32Array): Linear => ({
    weight: weights.own(tensor(transposeLinear(rows, inputs, 0, width), [inputs, width])),
    bias: weights.own(tensor(bias)),
  });
  return { layer: layer(matrix, shift), turned: layer(turnedRows(matrix, inputs), turnedRows(shift, 1)) };
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
async function loadValueOut(weights: WeightReader, key: string): Promise<Linear> {
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
  return { weight: weights.own(tensor(weight, [MEMORY_CHANNELS, FEATURES])), bias: weights.own(tensor(bias)) };
}
