import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Conv2d } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { windowRows } from './windows.js';

/** What distinguishes the published Hiera encoders of SAM 2. */
export interface HieraConfig {
  /** Side of the square image in pixels, a multiple of 32. */
  readonly imageSize: number;
  /** Channels of the first stage; every later one has twice as many. */
  readonly embed: number;
  /** Heads of the first stage; every later one has twice as many, of the same size. */
  readonly heads: number;
  /** Blocks of each stage. */
  readonly stages: readonly [number, number, number, number];
  /** Blocks, counted from 0, whose attention sees the whole image. */
  readonly global: readonly number[];
  /** Side of the windows of each stage in tokens. */
  readonly windows: readonly [number, number, number, number];
}

/** Pixels of a token of the first stage, along each axis. */
const PATCH = 4;
const PATCH_KERNEL = 7;
const MLP_RATIO = 4;
const EPSILON = 1e-6;

/** Sees intermediate results; it may not keep them. */
export type HieraTap = (name: string, tensor: Tensor) => void;

/** Rows of the keys' windows, of the queries', and of the tokens in those. */
interface WindowTensors {
  keys: Tensor;
  queries: Tensor;
  back: Tensor;
}

function windowTensors(weights: WeightReader, grid: number, window: number, pools: boolean): WindowTensors {
  const own = (rows: Int32Array) => weights.own(tensor(rows, [rows.length], 'int32'));
  const queries = pools ? windowRows(grid / 2, window / 2) : windowRows(grid, window);
  return { keys: own(windowRows(grid, window).into), queries: own(queries.into), back: own(queries.back) };
}

/** A block's place in the encoder. */
interface BlockShape {
  inputs: number;
  outputs: number;
  heads: number;
  /** Side of the image of tokens that comes in. */
  grid: number;
  /** Side of the windows; 0 where every token sees all. */
  window: number;
}

/** The layers of a block, named as in the state dict. */
interface BlockLayers {
  norm1: LayerNorm;
  /** Of `attn.qkv`: queries alone, and keys beside values. */
  query: Linear;
  keyValue: Linear;
  attnProj: Linear;
  norm2: LayerNorm;
  mlp: Mlp;
  /** Of the skip connection, where the width changes. */
  proj?: Linear;
}

/** Attention within windows and a perceptron; the first block of a stage has half of the tokens' side and twice the channels. */
class HieraBlock {
  private constructor(
    private readonly ops: OpSet,
    private readonly shape: BlockShape,
    private readonly layers: BlockLayers,
    /** Missing for global attention. */
    private readonly rows?: WindowTensors,
  ) {}

  static async load(source: LayerSource, key: string, shape: BlockShape): Promise<HieraBlock> {
    const { inputs, outputs, grid, window } = shape;
    const pools = inputs !== outputs;
    const part = (first: number, count: number) =>
      Linear.load(source, `${key}.attn.qkv`, inputs, 3 * outputs, { outputs: [first, count] });
    const mlp = [`${key}.mlp.layers.0`, `${key}.mlp.layers.1`] as const;
    return new HieraBlock(
      source.ops,
      shape,
      {
        norm1: await LayerNorm.load(source, `${key}.norm1`, inputs, EPSILON),
        query: await part(0, outputs),
        keyValue: await part(outputs, 2 * outputs),
        attnProj: await Linear.load(source, `${key}.attn.proj`, outputs, outputs),
        norm2: await LayerNorm.load(source, `${key}.norm2`, outputs, EPSILON),
        mlp: await Mlp.load(source, mlp, outputs, MLP_RATIO * outputs, 'gelu'),
        ...(pools ? { proj: await Linear.load(source, `${key}.proj`, inputs, outputs) } : {}),
      },
      window > 0 ? windowTensors(source.weights, grid, window, pools) : undefined,
    );
  }

  /** Side of the image of tokens that comes out. */
  get outputGrid(): number {
    return this.layers.proj ? this.shape.grid / 2 : this.shape.grid;
  }

  /**
   * @param x float32 [grid^2, inputs].
   * @returns float32 [outputGrid^2, outputs].
   */
  forward(x: Tensor): Tensor {
    const { norm1, attnProj, norm2, mlp, proj } = this.layers;
    return tidy(() => {
      // Each step frees what it needed: the first stage is large.
      const attended = tidy(() => {
        const y = norm1.forward(x);
        const skip = proj ? this.#pool(proj.forward(y)) : x;
        return attnProj.forward(this.#attend(y), { residual: skip });
      });
      return mlp.forward(norm2.forward(attended), attended);
    });
  }

  /** [outputGrid^2, outputs]. A window is completed with tokens of which the projection sees zeros. */
  #attend(y: Tensor): Tensor {
    const { ops, layers, rows, shape } = this;
    const { outputs, heads, window } = shape;
    return tidy(() => {
      const asked = layers.query.forward(y);
      const query = layers.proj ? this.#pool(asked) : asked;
      const keyValue = layers.keyValue.forward(y);
      const options = { heads, channels: outputs, valueColumn: outputs };
      if (!rows) return ops.multiHeadAttention(query, keyValue, keyValue, options);
      const tokens = window ** 2;
      const split = (x: Tensor, count: number) => reshape(x, [x.shape[0]! / count, count, x.shape[1]!]);
      const keys = split(ops.gatherRows(keyValue, rows.keys, layers.keyValue.bias), tokens);
      // Where queries are pooled, those of tokens that complete a window are never used.
      const queries = split(ops.gatherRows(query, rows.queries), layers.proj ? tokens / 4 : tokens);
      const seen = ops.multiHeadAttention(queries, keys, keys, options);
      return ops.gatherRows(reshape(seen, [-1, outputs]), rows.back);
    });
  }

  /** Maxima of 2x2 tokens: [grid^2, C] to [(grid / 2)^2, C]. */
  #pool(x: Tensor): Tensor {
    const { grid } = this.shape;
    const pooled = this.ops.maxPool(reshape(x, [grid, grid, -1]), 2);
    return reshape(pooled, [(grid / 2) ** 2, -1]);
  }
}

/**
 * Hiera (Ryali et al., "Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", ICML 2023) as the image
 * encoder of SAM 2 (Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; sam2, `modeling/backbones/hieradet.py`).
 */
export class Hiera {
  private constructor(
    readonly config: HieraConfig,
    private readonly patchEmbed: Conv2d,
    /** float32 [grid, grid, embed]. */
    private readonly posEmbed: Tensor,
    private readonly blocks: readonly HieraBlock[],
  ) {}

  /**
   * @param prefix What stands before `patch_embed` in the keys.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(
    source: LayerSource,
    prefix: string,
    config: HieraConfig,
    onProgress?: (fraction: number) => void,
  ): Promise<Hiera> {
    const { embed, heads, stages, windows, imageSize } = config;
    const { weights } = source;
    const patchEmbed = await Conv2d.load(source, `${prefix}patch_embed.proj`, 3, embed, PATCH_KERNEL, {
      paddedInputs: 4,
      stride: PATCH,
      padding: (PATCH_KERNEL - 1) / 2,
    });
    const posEmbed = weights.own(await loadPositions(weights, prefix, embed, imageSize / PATCH));
    const blocks: HieraBlock[] = [];
    const count = stages.reduce((a, b) => a + b);
    for (const [stage, depth] of stages.entries()) {
      for (let i = 0; i < depth; i++) {
        const index = blocks.length;
        const first = stage > 0 && i === 0;
        // The first block of a stage halves the image that it sees, and has the windows of the stage before.
        const from = first ? stage - 1 : stage;
        const block: BlockShape = {
          inputs: embed * 2 ** from,
          outputs: embed * 2 ** stage,
          heads: heads * 2 ** stage,
          grid: imageSize / PATCH / 2 ** from,
          window: config.global.includes(index) ? 0 : windows[from]!,
        };
        blocks.push(await HieraBlock.load(source, `${prefix}blocks.${index}`, block));
        onProgress?.(blocks.length / count);
      }
    }
    return new Hiera(config, patchEmbed, posEmbed, blocks);
  }

  /**
   * @param image float32 [imageSize, imageSize, 4], normalised, the fourth channel zero.
   * @returns The tokens at the end of each stage, float32 [(imageSize / 4 / 2^s)^2, embed 2^s], which the caller disposes.
   */
  forward(image: Tensor, onTap?: HieraTap): Tensor[] {
    const { config } = this;
    return tidy(() => {
      const embedded = this.patchEmbed.forward(image, { residual: this.posEmbed });
      let x: Tensor = reshape(embedded, [-1, config.embed]);
      embedded.dispose();
      onTap?.('patch_pos', x);
      const outputs: Tensor[] = [];
      let end = 0;
      let index = 0;
      for (const depth of config.stages) {
        end += depth;
        for (; index < end; index++) {
          const next = this.blocks[index]!.forward(x);
          if (!outputs.includes(x)) x.dispose();
          x = next;
          onTap?.(`block${index}`, x);
        }
        outputs.push(x);
      }
      return outputs;
    });
  }
}

/** Positions of the whole image, enlarged, and those within the windows of the first stage, repeated: [grid, grid, embed]. */
async function loadPositions(weights: WeightReader, prefix: string, embed: number, grid: number): Promise<Tensor> {
  const key = `${prefix}pos_embed`;
  const [, , side] = weights.shape(key) as [number, number, number, number];
  const whole = await weights.take(key, [1, embed, side, side]);
  const [, , period] = weights.shape(`${key}_window`) as [number, number, number, number];
  const window = await weights.take(`${key}_window`, [1, embed, period, period]);
  const taps = bicubicTaps(side, grid);
  const out = new Float32Array(grid * grid * embed);
  const column = new Float64Array(grid * side);
  for (let c = 0; c < embed; c++) {
    // Rows first, then columns.
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < grid; x++) {
        let sum = 0;
        for (const [from, weight] of taps[x]!) sum += weight * whole[(c * side + y) * side + from]!;
        column[y * grid + x] = sum;
      }
    }
    for (let y = 0; y < grid; y++) {
      for (let x = 0; x < grid; x++) {
        let sum = window[(c * period + (y % period)) * period + (x % period)]!;
        for (const [from, weight] of taps[y]!) sum += weight * column[from * grid + x]!;
        out[(y * grid + x) * embed + c] = sum;
      }
    }
  }
  return tensor(out, [grid, grid, embed]);
}

/** For each output sample the input samples and their weights: PyTorch's bicubic interpolation, a = -0.75, ends repeated. */
export function bicubicTaps(input: number, output: number): (readonly [from: number, weight: number])[][] {
  const a = -0.75;
  const near = (t: number) => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number) => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return Array.from({ length: output }, (_, i) => {
    const position = ((i + 0.5) * input) / output - 0.5;
    const first = Math.floor(position);
    const t = position - first;
    return [far(t + 1), near(t), near(1 - t), far(2 - t)].map(
      (weight, k) => [Math.min(input - 1, Math.max(0, first - 1 + k)), weight] as const,
    );
  });
}
