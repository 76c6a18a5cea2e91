import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Conv2d } from '../nn/conv.js';
import type { LayerSource } from '../nn/source.js';
import type { Encoder, EncoderFeatures } from './encoder.js';

/** `layer1` to `layer3`: blocks, channels inside a block, stride of the first block. */
const LAYERS = [
  { blocks: 3, width: 64, stride: 1 },
  { blocks: 4, width: 128, stride: 2 },
  { blocks: 6, width: 256, stride: 2 },
] as const;

const STEM_CHANNELS = 64;
/** A block gives so many times the channels it has inside. */
const EXPANSION = 4;

/** 1x1 reduction, 3x3 convolution with the stride, 1x1 expansion; the input, projected if need be, is added before the ReLU. */
class Bottleneck {
  private constructor(
    private readonly conv1: Conv2d,
    private readonly conv2: Conv2d,
    private readonly conv3: Conv2d,
    private readonly downsample: Conv2d | undefined,
  ) {}

  static async load(source: LayerSource, key: string, inputs: number, width: number, stride: number) {
    const outputs = EXPANSION * width;
    const conv = (index: number, shape: { inputs: number; outputs: number; kernel: number }, geometry = {}) =>
      Conv2d.loadFolded(source, `${key}.conv${index}`, `${key}.bn${index}`, shape, geometry);
    const [norm, shape] = [`${key}.downsample.1`, { inputs, outputs, kernel: 1 }];
    return new Bottleneck(
      await conv(1, { inputs, outputs: width, kernel: 1 }),
      await conv(2, { inputs: width, outputs: width, kernel: 3 }, { stride, padding: 1 }),
      await conv(3, { inputs: width, outputs, kernel: 1 }),
      inputs === outputs ? undefined : await Conv2d.loadFolded(source, `${key}.downsample.0`, norm, shape, { stride }),
    );
  }

  forward(x: Tensor): Tensor {
    return tidy(() => {
      const shortcut = this.downsample?.forward(x) ?? x;
      const reduced = this.conv1.forward(x, { activation: 'relu' });
      const mixed = this.conv2.forward(reduced, { activation: 'relu' });
      return this.conv3.forward(mixed, { residual: shortcut, finalRelu: true });
    });
  }
}

/**
 * ResNet-50 up to `layer3`, every normalisation frozen and folded, the stride on the 3x3 convolutions. He et al., "Deep
 * Residual Learning for Image Recognition" (2016); state-dict keys as in torchvision.
 */
export class ResNet50 implements Encoder {
  readonly channels = [256, 512, 1024, 1024] as const;

  private constructor(
    private readonly ops: OpSet,
    private readonly stem: Conv2d,
    private readonly layers: readonly (readonly Bottleneck[])[],
  ) {}

  /**
   * Reads and uploads the weights.
   *
   * @param prefix What stands before `conv1` in the keys, such as `encoder.`.
   * @throws CheckpointError naming the first key that is missing or misshapen.
   */
  static async load(weights: WeightReader, prefix: string, ops: OpSet): Promise<ResNet50> {
    const source: LayerSource = { weights, ops };
    const shape = { inputs: 3, paddedInputs: 4, outputs: STEM_CHANNELS, kernel: 7 };
    const stem = await Conv2d.loadFolded(source, `${prefix}conv1`, `${prefix}bn1`, shape, { stride: 2, padding: 3 });
    const layers: Bottleneck[][] = [];
    let inputs = STEM_CHANNELS;
    for (const [i, { blocks, width, stride }] of LAYERS.entries()) {
      const layer: Bottleneck[] = [];
      for (let b = 0; b < blocks; b++) {
        const key = `${prefix}layer${i + 1}.${b}`;
        layer.push(await Bottleneck.load(source, key, inputs, width, b === 0 ? stride : 1));
        inputs = EXPANSION * width;
      }
      layers.push(layer);
    }
    return new ResNet50(ops, stem, layers);
  }

  /** As in `Encoder`; `last` is a tensor of its own that shares the contents of `f16`. */
  forward(image: Tensor): EncoderFeatures {
    const { ops, stem, layers } = this;
    return tidy(() => {
      const conv = stem.forward(image, { activation: 'relu' });
      let x = ops.maxPool(conv, 3, { stride: 2, padding: 1 });
      conv.dispose();
      const exported = layers.map((layer, l) => {
        for (const [b, block] of layer.entries()) {
          const next = block.forward(x);
          // The first input of a later layer is the previous layer's output, which is exported.
          if (l === 0 || b > 0) x.dispose();
          x = next;
        }
        return x;
      });
      const [f4, f8, f16] = exported as [Tensor, Tensor, Tensor];
      return { f4, f8, f16, last: f16.clone() };
    });
  }
}
