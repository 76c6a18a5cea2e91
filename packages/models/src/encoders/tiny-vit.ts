import type { OpSet } from '@samtrack/kernels';
import { ones, pad, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Conv2d, type ConvGeometry, DepthwiseConv } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import { transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';

/** The 5M variant that MobileSAM has, for images of 1024 x 1024. */
const WIDTHS = [64, 128, 160, 320] as const;
const DEPTHS = [2, 2, 6, 2] as const;
const HEADS = [2, 4, 5, 10] as const;
/** Side of the windows in tokens; the first stage is convolutional. */
const WINDOWS = [7, 7, 14, 7] as const;
/** Distance of the tokens of a stage in pixels: the last merging keeps the resolution. */
const STRIDES = [4, 8, 16, 16] as const;
const EXPANSION = 4;

/** Sees intermediate results by name: `patch_embed` and `stageN`, float32 [h, w, C], which it may not keep. */
export type TinyVitTap = (name: string, tensor: Tensor) => void;

/** A point-wise, a depth-wise and a point-wise convolution, each with its normalisation folded in. */
class Bottleneck {
  private constructor(
    private readonly conv1: Conv2d,
    private readonly conv2: DepthwiseConv,
    private readonly conv3: Conv2d,
  ) {}

  static async load(
    source: LayerSource,
    key: string,
    [inputs, width, outputs]: readonly [number, number, number],
    stride: number,
  ): Promise<Bottleneck> {
    const pointwise = (name: string, from: number, to: number) =>
      Conv2d.loadFolded(source, `${key}.${name}.c`, `${key}.${name}.bn`, { inputs: from, outputs: to, kernel: 1 });
    const [conv2, geometry] = [`${key}.conv2`, { stride, padding: 1 }];
    return new Bottleneck(
      await pointwise('conv1', inputs, width),
      await DepthwiseConv.loadFolded(source, `${conv2}.c`, `${conv2}.bn`, width, 3, geometry),
      await pointwise('conv3', width, outputs),
    );
  }

  /** The three convolutions, with GELU between them; `residual` is added at the end. Disposes nothing that it is given. */
  forward(x: Tensor, residual?: Tensor): Tensor {
    return tidy(() => {
      const wide = this.conv1.forward(x, { activation: 'gelu' });
      const mixed = this.conv2.forward(wide, { activation: 'gelu' });
      wide.dispose();
      return this.conv3.forward(mixed, residual ? { residual } : {});
    });
  }
}

/** Attention within windows, whose biases belong to absolute distances. */
class WindowAttention {
  private constructor(
    private readonly ops: OpSet,
    private readonly geometry: { heads: number; window: number },
    private readonly norm: LayerNorm,
    private readonly qkv: Linear,
    /** What the projection makes of the tokens that complete windows. */
    private readonly padding: Tensor,
    private readonly attentionBiases: Tensor,
    private readonly proj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, width: number, geometry: { heads: number; window: number }) {
    const { weights, ops } = source;
    const { heads, window } = geometry;
    const biases = await weights.take(`${key}.attention_biases`, [heads, window * window]);
    const { qkv, padding } = await loadQkv(source, key, width, heads);
    return new WindowAttention(
      ops,
      geometry,
      await LayerNorm.load(source, `${key}.norm`, width),
      qkv,
      padding,
      weights.own(tensor(distanceTable(biases, heads, window), [(2 * window - 1) ** 2, heads])),
      await Linear.load(source, `${key}.proj`, width, width),
    );
  }

  /** @param x float32 [height * width, C], which is added to the result. */
  forward(x: Tensor, height: number, width: number): Tensor {
    const { ops, geometry, norm, qkv, padding, attentionBiases, proj } = this;
    const joint = qkv.forward(norm.forward(x));
    const mixed = ops.windowAttention(joint, padding, attentionBiases, { height, width, shift: 0, ...geometry });
    joint.dispose();
    return proj.forward(mixed, { residual: x });
  }
}

/** Attention within windows, a depth-wise convolution of the whole map, and a two-layer perceptron. */
class TinyVitBlock {
  private constructor(
    private readonly attn: WindowAttention,
    private readonly localConv: DepthwiseConv,
    private readonly norm: LayerNorm,
    private readonly mlp: Mlp,
  ) {}

  static async load(source: LayerSource, key: string, width: number, geometry: { heads: number; window: number }) {
    const localConv = `${key}.local_conv`;
    const layers = [`${key}.mlp.fc1`, `${key}.mlp.fc2`] as const;
    return new TinyVitBlock(
      await WindowAttention.load(source, `${key}.attn`, width, geometry),
      await DepthwiseConv.loadFolded(source, `${localConv}.c`, `${localConv}.bn`, width, 3, { padding: 1 }),
      await LayerNorm.load(source, `${key}.mlp.norm`, width),
      await Mlp.load(source, layers, width, EXPANSION * width, 'gelu'),
    );
  }

  /** @param x float32 [h, w, C]; not disposed. */
  forward(x: Tensor): Tensor {
    const [height, width, channels] = x.shape as [number, number, number];
    return tidy(() => {
      const attended = this.attn.forward(reshape(x, [height * width, channels]), height, width);
      const local = this.localConv.forward(reshape(attended, x.shape));
      const kept = reshape(local, [height * width, channels]);
      return reshape(this.mlp.forward(this.norm.forward(kept), kept), x.shape);
    });
  }
}

/** Blocks at one resolution, and what leads to the next. */
interface Stage {
  blocks: readonly TinyVitBlock[];
  downsample?: Bottleneck;
}

/**
 * The image encoder of MobileSAM without its neck. Wu et al., "TinyViT" (2022); `tiny_vit_sam.py` of MobileSAM, whose
 * state-dict keys it has.
 */
export class TinyViT {
  /** Channels of the output. */
  static get channels(): number {
    return WIDTHS[3];
  }

  private constructor(
    private readonly ops: OpSet,
    private readonly patchEmbed: readonly [Conv2d, Conv2d],
    private readonly convBlocks: readonly Bottleneck[],
    private readonly stages: readonly Stage[],
    /** A depth-wise kernel that changes nothing: what is wanted of its convolution is the activation. */
    private readonly identity: Tensor,
  ) {}

  /**
   * Reads and uploads the weights.
   *
   * @param prefix What stands before `patch_embed` in the keys, such as `image_encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(
    weights: WeightReader,
    prefix: string,
    ops: OpSet,
    onProgress?: (fraction: number) => void,
  ): Promise<TinyViT> {
    const source: LayerSource = { weights, ops };
    const halving: ConvGeometry = { stride: 2, padding: 1 };
    const stem = (index: number, inputs: number, outputs: number, paddedInputs = inputs) => {
      const key = `${prefix}patch_embed.seq.${index}`;
      return Conv2d.loadFolded(source, `${key}.c`, `${key}.bn`, { inputs, outputs, kernel: 3, paddedInputs }, halving);
    };
    const patchEmbed = [await stem(0, 3, WIDTHS[0] / 2, 4), await stem(2, WIDTHS[0] / 2, WIDTHS[0])] as const;
    const convBlocks: Bottleneck[] = [];
    const stages: Stage[] = [];
    for (const [s, width] of WIDTHS.entries()) {
      const key = `${prefix}layers.${s}`;
      const blocks: TinyVitBlock[] = [];
      for (let b = 0; b < DEPTHS[s]!; b++) {
        const block = `${key}.blocks.${b}`;
        if (s === 0) convBlocks.push(await Bottleneck.load(source, block, [width, EXPANSION * width, width], 1));
        else {
          const geometry = { heads: HEADS[s]!, window: WINDOWS[s]! };
          blocks.push(await TinyVitBlock.load(source, block, width, geometry));
        }
      }
      const next = WIDTHS[s + 1];
      const stride = STRIDES[s + 1]! / STRIDES[s]!;
      const downsample = next && (await Bottleneck.load(source, `${key}.downsample`, [width, next, next], stride));
      stages.push({ blocks, ...(downsample ? { downsample } : {}) });
      onProgress?.((s + 1) / WIDTHS.length);
    }
    return new TinyViT(ops, patchEmbed, convBlocks, stages, weights.own(ones([1, 1, WIDTHS[0], 1])));
  }

  /**
   * @param image float32 [S, S, 3], normalised, S a multiple of 16.
   * @returns float32 [(S / 16)^2, 320], which the caller disposes.
   */
  forward(image: Tensor, onTap?: TinyVitTap): Tensor {
    const { ops, patchEmbed, identity } = this;
    return tidy(() => {
      const [first, second] = patchEmbed;
      const padded = pad(image, [
        [0, 0],
        [0, 0],
        [0, 1],
      ]);
      const half = first.forward(padded, { activation: 'gelu' });
      padded.dispose();
      let x = second.forward(half);
      half.dispose();
      onTap?.('patch_embed', x);
      const advance = (next: Tensor) => {
        x.dispose();
        x = next;
      };
      for (const block of this.convBlocks) {
        advance(block.forward(x, x));
        advance(ops.depthwiseConv(x, identity, { activation: 'gelu' }));
      }
      for (const [s, { blocks, downsample }] of this.stages.entries()) {
        for (const block of blocks) advance(block.forward(x));
        if (downsample) advance(downsample.forward(x));
        onTap?.(`stage${s}`, x);
      }
      return reshape(x, [-1, TinyViT.channels]);
    });
  }
}

/**
 * The joint projection, whose outputs are stored head by head as `query | key | value`, in the order of `windowAttention`.
 * `padding` is what it makes of the tokens that complete windows: zeros before the normalisation, so its bias after it.
 */
async function loadQkv(
  source: LayerSource,
  key: string,
  width: number,
  heads: number,
): Promise<{ qkv: Linear; padding: Tensor }> {
  const { weights } = source;
  const size = width / heads;
  const stored = await weights.take(`${key}.qkv.weight`, [3 * width, width]);
  const storedBias = await weights.take(`${key}.qkv.bias`, [3 * width]);
  const zeros = await weights.take(`${key}.norm.bias`, [width]);
  const weight = new Float32Array(stored.length);
  const bias = new Float32Array(3 * width);
  const padding = new Float32Array(3 * width);
  for (let o = 0; o < 3 * width; o++) {
    const [part, head, d] = [Math.floor(o / width), Math.floor((o % width) / size), o % size];
    const from = (head * 3 + part) * size + d;
    const row = stored.subarray(from * width, (from + 1) * width);
    weight.set(row, o * width);
    bias[o] = storedBias[from]!;
    padding[o] = row.reduce((sum, w, i) => sum + w * zeros[i]!, storedBias[from]!);
  }
  return {
    qkv: Linear.of(source, transposeLinear(weight, width, 0, 3 * width), bias),
    padding: weights.own(tensor(padding)),
  };
}

/** A bias for each absolute distance, [heads, window^2], as one for each signed distance, [(2 window - 1)^2, heads]. */
export function distanceTable(biases: Float32Array, heads: number, window: number): Float32Array {
  const side = 2 * window - 1;
  const out = new Float32Array(side * side * heads);
  for (let i = 0; i < side * side; i++) {
    const [dy, dx] = [Math.abs(Math.floor(i / side) - window + 1), Math.abs((i % side) - window + 1)];
    for (let h = 0; h < heads; h++) out[i * heads + h] = biases[(h * window + dy) * window + dx]!;
  }
  return out;
}
