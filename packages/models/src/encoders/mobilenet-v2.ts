import type { OpSet } from '@samtrack/kernels';
import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { loadFoldedConv } from '../nn/frozen-batch-norm.js';
import type { Linear } from '../nn/parameters.js';
import type { Encoder, EncoderFeatures } from './encoder.js';

/** An inverted residual block. */
interface BlockConfig {
  /** Output channels. */
  outputs: number;
  /** How many times wider than its input the block is inside. */
  expand: number;
  stride?: number;
  dilation?: number;
}

const repeat = (count: number, block: BlockConfig): BlockConfig[] => new Array<BlockConfig>(count).fill(block);

/**
 * `features.1` to `features.17`. The stage of 160 channels keeps stride 16, and what would lie behind its stride is
 * dilated instead.
 */
const BLOCKS: readonly BlockConfig[] = [
  { outputs: 16, expand: 1 },
  { outputs: 24, expand: 6, stride: 2 },
  { outputs: 24, expand: 6 },
  { outputs: 32, expand: 6, stride: 2 },
  ...repeat(2, { outputs: 32, expand: 6 }),
  { outputs: 64, expand: 6, stride: 2 },
  ...repeat(3, { outputs: 64, expand: 6 }),
  ...repeat(3, { outputs: 96, expand: 6 }),
  { outputs: 160, expand: 6 },
  ...repeat(2, { outputs: 160, expand: 6, dilation: 2 }),
  { outputs: 320, expand: 6, dilation: 2 },
];

const STEM_CHANNELS = 32;
const LAST_CHANNELS = 1280;
/** Indices in `features` whose outputs are exported at strides 4, 8 and 16. */
const EXPORTED = [3, 6, 13] as const;

/** Expansion, depth-wise convolution and linear projection, with the input added where the shapes agree. */
class InvertedResidual {
  private constructor(
    private readonly ops: OpSet,
    private readonly config: Required<BlockConfig>,
    private readonly residual: boolean,
    private readonly expand: Linear | undefined,
    private readonly depthwise: Linear,
    private readonly project: Linear,
  ) {}

  static async load(weights: WeightReader, key: string, inputs: number, config: BlockConfig, ops: OpSet) {
    const { outputs, expand, stride = 1, dilation = 1 } = config;
    const width = inputs * expand;
    // Without an expansion the layers stand one place earlier in the sequence.
    const [depthwise, project] = expand === 1 ? [0, 1] : [1, 2];
    return new InvertedResidual(
      ops,
      { outputs, expand, stride, dilation },
      stride === 1 && inputs === outputs,
      expand === 1
        ? undefined
        : await loadFoldedConv(weights, `${key}.0.0`, `${key}.0.1`, { inputs, outputs: width, kernel: 1 }),
      await loadFoldedConv(weights, `${key}.${depthwise}.0`, `${key}.${depthwise}.1`, {
        inputs: width,
        outputs: width,
        kernel: 3,
        depthwise: true,
      }),
      await loadFoldedConv(weights, `${key}.${project}`, `${key}.${project + 1}`, {
        inputs: width,
        outputs,
        kernel: 1,
      }),
    );
  }

  forward(x: Tensor): Tensor {
    const { ops, expand, depthwise, project, residual } = this;
    const { stride, dilation } = this.config;
    return tidy(() => {
      const wide = expand ? ops.conv2d(x, expand.weight, { bias: expand.bias, activation: 'relu6' }) : x;
      const mixed = ops.depthwiseConv(wide, depthwise.weight, {
        bias: depthwise.bias,
        activation: 'relu6',
        stride,
        dilation,
        padding: dilation,
      });
      return ops.conv2d(mixed, project.weight, { bias: project.bias, ...(residual ? { residual: x } : {}) });
    });
  }

  dispose(): void {
    for (const layer of [this.expand, this.depthwise, this.project]) if (layer) dispose({ ...layer });
  }
}

/** The first convolution, and the first `count` blocks. */
async function loadBlocks(weights: WeightReader, prefix: string, ops: OpSet, count: number) {
  const features = `${prefix}features`;
  const stem = await loadFoldedConv(weights, `${features}.0.0`, `${features}.0.1`, {
    inputs: 3,
    paddedInputs: 4,
    outputs: STEM_CHANNELS,
    kernel: 3,
  });
  const blocks: InvertedResidual[] = [];
  let inputs = STEM_CHANNELS;
  for (const [i, config] of BLOCKS.slice(0, count).entries()) {
    blocks.push(await InvertedResidual.load(weights, `${features}.${i + 1}.conv`, inputs, config, ops));
    inputs = config.outputs;
  }
  return { stem, blocks, outputs: inputs };
}

const applyStem = (ops: OpSet, image: Tensor, { weight, bias }: Linear): Tensor =>
  ops.conv2d(image, weight, { bias, activation: 'relu6', stride: 2, padding: 1 });

/** The part of `MobileNetV2` up to the map at stride 16, `features.0` to `features.13`. */
export class MobileNetV2Trunk {
  private constructor(
    private readonly ops: OpSet,
    private readonly stem: Linear,
    private readonly blocks: readonly InvertedResidual[],
  ) {}

  /** As `MobileNetV2.load`; the keys of later layers are not asked for. */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<MobileNetV2Trunk> {
    const { stem, blocks } = await loadBlocks(weights, prefix, ops, EXPORTED[2]);
    return new MobileNetV2Trunk(ops, stem, blocks);
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns float32 [h16, w16, 96].
   */
  forward(image: Tensor): Tensor {
    return tidy(() => {
      let x = applyStem(this.ops, image, this.stem);
      for (const block of this.blocks) {
        const next = block.forward(x);
        x.dispose();
        x = next;
      }
      return x;
    });
  }

  dispose(): void {
    dispose({ ...this.stem });
    for (const block of this.blocks) block.dispose();
  }
}

/**
 * MobileNetV2 at output stride 16, every normalisation frozen and folded. Sandler et al., "MobileNetV2: Inverted
 * Residuals and Linear Bottlenecks" (2018); state-dict keys as in torchvision.
 */
export class MobileNetV2 implements Encoder {
  readonly channels = [24, 32, 96, LAST_CHANNELS] as const;

  private constructor(
    private readonly ops: OpSet,
    private readonly stem: Linear,
    private readonly blocks: readonly InvertedResidual[],
    private readonly head: Linear,
  ) {}

  /**
   * Reads and uploads the weights.
   *
   * @param prefix What stands before `features` in the keys, such as `encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<MobileNetV2> {
    const { stem, blocks, outputs: inputs } = await loadBlocks(weights, prefix, ops, BLOCKS.length);
    const last = `${prefix}features.${BLOCKS.length + 1}`;
    const head = await loadFoldedConv(weights, `${last}.0`, `${last}.1`, { inputs, outputs: LAST_CHANNELS, kernel: 1 });
    return new MobileNetV2(ops, stem, blocks, head);
  }

  forward(image: Tensor): EncoderFeatures {
    const { ops, stem, blocks, head } = this;
    return tidy(() => {
      let x = applyStem(ops, image, stem);
      const exported: Tensor[] = [];
      for (const [i, block] of blocks.entries()) {
        const next = block.forward(x);
        if (!exported.includes(x)) x.dispose();
        if ((EXPORTED as readonly number[]).includes(i + 1)) exported.push(next);
        x = next;
      }
      const [f4, f8, f16] = exported as [Tensor, Tensor, Tensor];
      return { f4, f8, f16, last: ops.conv2d(x, head.weight, { bias: head.bias, activation: 'relu6' }) };
    });
  }

  dispose(): void {
    for (const layer of [this.stem, this.head]) dispose({ ...layer });
    for (const block of this.blocks) block.dispose();
  }
}
