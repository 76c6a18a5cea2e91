import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Conv2d, DepthwiseConv } from '../nn/conv.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
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
    private readonly residual: boolean,
    private readonly expand: Conv2d | undefined,
    private readonly depthwise: DepthwiseConv,
    private readonly project: Conv2d,
  ) {}

  static async load(source: LayerSource, key: string, inputs: number, config: BlockConfig) {
    const { outputs, expand, stride = 1, dilation = 1 } = config;
    const width = inputs * expand;
    // Without an expansion the layers stand one place earlier in the sequence.
    const [depthwise, project] = expand === 1 ? [0, 1] : [1, 2];
    const pointwise = (conv: string, norm: string, from: number, to: number) =>
      Conv2d.loadFolded(source, `${key}.${conv}`, `${key}.${norm}`, { inputs: from, outputs: to, kernel: 1 });
    const geometry = { stride, dilation, padding: dilation };
    return new InvertedResidual(
      stride === 1 && inputs === outputs,
      expand === 1 ? undefined : await pointwise('0.0', '0.1', inputs, width),
      await DepthwiseConv.loadFolded(source, `${key}.${depthwise}.0`, `${key}.${depthwise}.1`, width, 3, geometry),
      await pointwise(`${project}`, `${project + 1}`, width, outputs),
    );
  }

  forward(x: Tensor): Tensor {
    const { expand, depthwise, project, residual } = this;
    return tidy(() => {
      const wide = expand?.forward(x, { activation: 'relu6' }) ?? x;
      const mixed = depthwise.forward(wide, { activation: 'relu6' });
      return project.forward(mixed, residual ? { residual: x } : {});
    });
  }
}

/** The first convolution, and the first `count` blocks. */
async function loadBlocks(source: LayerSource, prefix: string, count: number) {
  const features = `${prefix}features`;
  const shape = { inputs: 3, paddedInputs: 4, outputs: STEM_CHANNELS, kernel: 3 };
  const geometry = { stride: 2, padding: 1 };
  const stem = await Conv2d.loadFolded(source, `${features}.0.0`, `${features}.0.1`, shape, geometry);
  const blocks: InvertedResidual[] = [];
  let inputs = STEM_CHANNELS;
  for (const [i, config] of BLOCKS.slice(0, count).entries()) {
    blocks.push(await InvertedResidual.load(source, `${features}.${i + 1}.conv`, inputs, config));
    inputs = config.outputs;
  }
  return { stem, blocks, outputs: inputs };
}

/** Runs blocks over a map, which is disposed; the outputs that are exported are kept. */
function applyBlocks(map: Tensor, blocks: readonly InvertedResidual[]): { x: Tensor; exported: Tensor[] } {
  let x = map;
  const exported: Tensor[] = [];
  for (const [i, block] of blocks.entries()) {
    const next = block.forward(x);
    if (!exported.includes(x)) x.dispose();
    if ((EXPORTED as readonly number[]).includes(i + 1)) exported.push(next);
    x = next;
  }
  return { x, exported };
}

/** The part of `MobileNetV2` up to the map at stride 16, `features.0` to `features.13`. */
export class MobileNetV2Trunk {
  private constructor(
    private readonly stem: Conv2d,
    private readonly blocks: readonly InvertedResidual[],
  ) {}

  /** As `MobileNetV2.load`; the keys of later layers are not asked for. */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<MobileNetV2Trunk> {
    const { stem, blocks } = await loadBlocks({ weights, ops }, prefix, EXPORTED[2]);
    return new MobileNetV2Trunk(stem, blocks);
  }

  /**
   * @param image Normalised RGB and a zero channel, float32 [H, W, 4].
   * @returns float32 [h16, w16, 96].
   */
  forward(image: Tensor): Tensor {
    return tidy(() => this.maps(image).f16);
  }

  /** The maps at all strides, float32 [h4, w4, 24], [h8, w8, 32] and [h16, w16, 96]. */
  maps(image: Tensor): Omit<EncoderFeatures, 'last'> {
    return tidyAll(() => {
      const { exported } = applyBlocks(this.stem.forward(image, { activation: 'relu6' }), this.blocks);
      const [f4, f8, f16] = exported as [Tensor, Tensor, Tensor];
      return { f4, f8, f16 };
    });
  }
}

/**
 * MobileNetV2 at output stride 16, every normalisation frozen and folded. Sandler et al., "MobileNetV2: Inverted
 * Residuals and Linear Bottlenecks" (2018); state-dict keys as in torchvision.
 */
export class MobileNetV2 implements Encoder {
  readonly channels = [24, 32, 96, LAST_CHANNELS] as const;

  private constructor(
    private readonly stem: Conv2d,
    private readonly blocks: readonly InvertedResidual[],
    private readonly head: Conv2d,
  ) {}

  /**
   * Reads and uploads the weights.
   *
   * @param prefix What stands before `features` in the keys, such as `encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<MobileNetV2> {
    const { stem, blocks, outputs: inputs } = await loadBlocks({ weights, ops }, prefix, BLOCKS.length);
    const last = `${prefix}features.${BLOCKS.length + 1}`;
    const shape = { inputs, outputs: LAST_CHANNELS, kernel: 1 };
    const head = await Conv2d.loadFolded({ weights, ops }, `${last}.0`, `${last}.1`, shape);
    return new MobileNetV2(stem, blocks, head);
  }

  forward(image: Tensor): EncoderFeatures {
    const { stem, blocks, head } = this;
    return tidy(() => {
      const { x, exported } = applyBlocks(stem.forward(image, { activation: 'relu6' }), blocks);
      const [f4, f8, f16] = exported as [Tensor, Tensor, Tensor];
      return { f4, f8, f16, last: head.forward(x, { activation: 'relu6' }) };
    });
  }
}
