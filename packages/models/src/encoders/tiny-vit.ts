import type { OpSet } from '@samtrack/kernels';
import { dispose, ones, pad, reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { loadFoldedConv } from '../nn/frozen-batch-norm.js';
import { type Affine, type Linear, loadAffine, loadLinear, transposeLinear } from '../nn/parameters.js';

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
interface Bottleneck {
  conv1: Linear;
  conv2: Linear;
  conv3: Linear;
}

async function loadBottleneck(
  weights: WeightReader,
  key: string,
  [inputs, width, outputs]: readonly [number, number, number],
): Promise<Bottleneck> {
  const load = (name: string, shape: Parameters<typeof loadFoldedConv>[3]) =>
    loadFoldedConv(weights, `${key}.${name}.c`, `${key}.${name}.bn`, shape);
  return {
    conv1: await load('conv1', { inputs, outputs: width, kernel: 1 }),
    conv2: await load('conv2', { inputs: width, outputs: width, kernel: 3, depthwise: true }),
    conv3: await load('conv3', { inputs: width, outputs, kernel: 1 }),
  };
}

/** The three convolutions, with GELU between them; `residual` is added at the end. Disposes nothing that it is given. */
function bottleneck(ops: OpSet, { conv1, conv2, conv3 }: Bottleneck, x: Tensor, stride: number, residual?: Tensor) {
  return tidy(() => {
    const wide = ops.conv2d(x, conv1.weight, { bias: conv1.bias, activation: 'gelu' });
    const mixed = ops.depthwiseConv(wide, conv2.weight, { bias: conv2.bias, activation: 'gelu', stride, padding: 1 });
    wide.dispose();
    return ops.conv2d(mixed, conv3.weight, { bias: conv3.bias, ...(residual ? { residual } : {}) });
  });
}

const disposeBottleneck = ({ conv1, conv2, conv3 }: Bottleneck) => {
  for (const layer of [conv1, conv2, conv3]) dispose({ ...layer });
};

/** Attention within windows, a depth-wise convolution of the whole map, and a two-layer perceptron. */
class TinyVitBlock {
  private constructor(
    private readonly ops: OpSet,
    private readonly geometry: { heads: number; window: number },
    private readonly attn: { norm: Affine; qkv: Linear; padding: Tensor; biases: Tensor; proj: Linear },
    private readonly localConv: Linear,
    private readonly mlp: { norm: Affine; fc1: Linear; fc2: Linear },
  ) {}

  static async load(
    weights: WeightReader,
    key: string,
    width: number,
    geometry: { heads: number; window: number },
    ops: OpSet,
  ): Promise<TinyVitBlock> {
    const { heads, window } = geometry;
    const hidden = EXPANSION * width;
    const biases = await weights.take(`${key}.attn.attention_biases`, [heads, window * window]);
    const attn = {
      norm: await loadAffine(weights, [`${key}.attn.norm`], width),
      ...(await loadQkv(weights, `${key}.attn`, width, heads)),
      biases: weights.own(tensor(distanceTable(biases, heads, window), [(2 * window - 1) ** 2, heads])),
      proj: await loadLinear(weights, `${key}.attn.proj`, width, width),
    };
    const localConv = await loadFoldedConv(weights, `${key}.local_conv.c`, `${key}.local_conv.bn`, {
      inputs: width,
      outputs: width,
      kernel: 3,
      depthwise: true,
    });
    const mlp = {
      norm: await loadAffine(weights, [`${key}.mlp.norm`], width),
      fc1: await loadLinear(weights, `${key}.mlp.fc1`, width, hidden),
      fc2: await loadLinear(weights, `${key}.mlp.fc2`, hidden, width),
    };
    return new TinyVitBlock(ops, geometry, attn, localConv, mlp);
  }

  /** @param x float32 [h, w, C]; not disposed. */
  forward(x: Tensor): Tensor {
    const { ops, geometry, attn, localConv, mlp } = this;
    const [height, width, channels] = x.shape as [number, number, number];
    return tidy(() => {
      const tokens = reshape(x, [height * width, channels]);
      const joint = ops.gemm(ops.layerNorm(tokens, attn.norm.weight, attn.norm.bias), attn.qkv.weight, {
        bias: attn.qkv.bias,
      });
      const shape = { height, width, shift: 0, ...geometry };
      const mixed = ops.windowAttention(joint, attn.padding, attn.biases, shape);
      joint.dispose();
      const attended = ops.gemm(mixed, attn.proj.weight, { bias: attn.proj.bias, residual: tokens });
      const map = reshape(attended, [height, width, channels]);
      const local = ops.depthwiseConv(map, localConv.weight, { bias: localConv.bias, padding: 1 });
      const kept = reshape(local, [height * width, channels]);
      const normal = ops.layerNorm(kept, mlp.norm.weight, mlp.norm.bias);
      const hidden = ops.gemm(normal, mlp.fc1.weight, { bias: mlp.fc1.bias, activation: 'gelu' });
      return reshape(ops.gemm(hidden, mlp.fc2.weight, { bias: mlp.fc2.bias, residual: kept }), x.shape);
    });
  }

  dispose(): void {
    const { attn, localConv, mlp } = this;
    for (const layer of [attn.norm, attn.qkv, attn.proj, localConv, mlp.norm, mlp.fc1, mlp.fc2]) dispose({ ...layer });
    dispose([attn.padding, attn.biases]);
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
  static readonly channels = WIDTHS[3];

  private constructor(
    private readonly ops: OpSet,
    private readonly patchEmbed: readonly [Linear, Linear],
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
    const stem = (index: number, inputs: number, outputs: number, paddedInputs?: number) => {
      const key = `${prefix}patch_embed.seq.${index}`;
      const shape = { inputs, outputs, kernel: 3, ...(paddedInputs ? { paddedInputs } : {}) };
      return loadFoldedConv(weights, `${key}.c`, `${key}.bn`, shape);
    };
    const patchEmbed = [await stem(0, 3, WIDTHS[0] / 2, 4), await stem(2, WIDTHS[0] / 2, WIDTHS[0])] as const;
    const convBlocks: Bottleneck[] = [];
    const stages: Stage[] = [];
    for (const [s, width] of WIDTHS.entries()) {
      const key = `${prefix}layers.${s}`;
      const blocks: TinyVitBlock[] = [];
      for (let b = 0; b < DEPTHS[s]!; b++) {
        const block = `${key}.blocks.${b}`;
        if (s === 0) convBlocks.push(await loadBottleneck(weights, block, [width, EXPANSION * width, width]));
        else {
          const geometry = { heads: HEADS[s]!, window: WINDOWS[s]! };
          blocks.push(await TinyVitBlock.load(weights, block, width, geometry, ops));
        }
      }
      const next = WIDTHS[s + 1];
      const downsample = next && (await loadBottleneck(weights, `${key}.downsample`, [width, next, next]));
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
      const half = ops.conv2d(padded, first.weight, { bias: first.bias, activation: 'gelu', stride: 2, padding: 1 });
      padded.dispose();
      let x = ops.conv2d(half, second.weight, { bias: second.bias, stride: 2, padding: 1 });
      half.dispose();
      onTap?.('patch_embed', x);
      const advance = (next: Tensor) => {
        x.dispose();
        x = next;
      };
      for (const block of this.convBlocks) {
        advance(bottleneck(ops, block, x, 1, x));
        advance(ops.depthwiseConv(x, identity, { activation: 'gelu' }));
      }
      for (const [s, { blocks, downsample }] of this.stages.entries()) {
        for (const block of blocks) advance(block.forward(x));
        if (downsample) advance(bottleneck(ops, downsample, x, STRIDES[s + 1]! / STRIDES[s]!));
        onTap?.(`stage${s}`, x);
      }
      return reshape(x, [-1, TinyViT.channels]);
    });
  }

  dispose(): void {
    for (const layer of this.patchEmbed) dispose({ ...layer });
    for (const block of this.convBlocks) disposeBottleneck(block);
    for (const { blocks, downsample } of this.stages) {
      for (const block of blocks) block.dispose();
      if (downsample) disposeBottleneck(downsample);
    }
    this.identity.dispose();
  }
}

/**
 * The joint projection, whose outputs are stored head by head as `query | key | value`, in the order of `windowAttention`.
 * `padding` is what it makes of the tokens that complete windows: zeros before the normalisation, so its bias after it.
 */
async function loadQkv(
  weights: WeightReader,
  key: string,
  width: number,
  heads: number,
): Promise<{ qkv: Linear; padding: Tensor }> {
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
    qkv: {
      weight: weights.own(tensor(transposeLinear(weight, width, 0, 3 * width), [width, 3 * width])),
      bias: weights.own(tensor(bias)),
    },
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
