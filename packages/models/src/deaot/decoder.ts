import type { OpSet } from '@samtrack/kernels';
import { dispose, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, asConv, type Linear, loadAffine, loadConv, loadLinear } from '../nn/parameters.js';
import { type DeAotConfig, EMBED, GROUP_OBJECTS } from './config.js';

const GROUPS = 8;

/** Channels of the logits: background, ten identities, and one that pads to whole vectors. */
export const LOGIT_CHANNELS = GROUP_OBJECTS + 2;

interface ConvNorm {
  conv: Linear;
  norm: Affine;
}

/** FPN head from the propagated streams to logits at stride 4 (aot-benchmark, `decoders/fpn.py`). */
export class FpnDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly alignCorners: boolean,
    private readonly p: {
      convIn: ConvNorm;
      conv16: ConvNorm;
      conv8: ConvNorm;
      conv4: ConvNorm;
      adapter16: Linear;
      adapter8: Linear;
      adapter4: Linear;
      convOut: Linear;
    },
  ) {}

  static async load(weights: WeightReader, config: DeAotConfig, ops: OpSet): Promise<FpnDecoder> {
    const [c4, c8, c16] = config.channels;
    const convNorm = async (name: string, inputs: number, outputs: number): Promise<ConvNorm> => ({
      conv: await loadConv(weights, `decoder.${name}.conv`, inputs, outputs, name === 'conv_in' ? 1 : 3),
      norm: await loadAffine(weights, [`decoder.${name}.gn`], outputs),
    });
    const pointwise = (name: string, inputs: number, outputs: number) =>
      loadConv(weights, `decoder.${name}`, inputs, outputs, 1);
    return new FpnDecoder(ops, config.alignCorners, {
      convIn: await convNorm('conv_in', 2 * EMBED, 256),
      conv16: await convNorm('conv_16x', 256, 256),
      conv8: await convNorm('conv_8x', 256, 128),
      conv4: await convNorm('conv_4x', 128, 128),
      adapter16: await pointwise('adapter_16x', c16, 256),
      adapter8: await pointwise('adapter_8x', c8, 256),
      adapter4: await pointwise('adapter_4x', c4, 128),
      // The added channel can never be the largest.
      convOut: asConv(
        weights,
        await loadLinear(weights, 'decoder.conv_out', 128, GROUP_OBJECTS + 1, {
          pointwise: true,
          paddedOutputs: LOGIT_CHANNELS,
          paddedBias: -1e10,
        }),
      ),
    });
  }

  /**
   * @param x float32 [h16, w16, 512].
   * @param f4, f8, f16 Encoder maps, float32 [h, w, C].
   * @returns float32 [h4, w4, 12].
   */
  forward(x: Tensor, { f4, f8, f16 }: { f4: Tensor; f8: Tensor; f16: Tensor }): Tensor {
    const { ops, p } = this;
    const convNorm = (input: Tensor, { conv, norm }: ConvNorm, padding: number) =>
      ops.groupNorm(ops.conv2d(input, conv.weight, { bias: conv.bias, padding }), norm.weight, norm.bias, GROUPS, {
        activation: 'relu',
      });
    const adapt = (feature: Tensor, { weight, bias }: Linear, residual: Tensor) =>
      ops.conv2d(feature, weight, { bias, residual });
    const resize = (y: Tensor, like: Tensor) =>
      ops.resizeBilinear(y, [like.shape[0]!, like.shape[1]!], { alignCorners: this.alignCorners });
    return tidy(() => {
      const y16 = convNorm(adapt(f16, p.adapter16, convNorm(x, p.convIn, 0)), p.conv16, 1);
      const y8 = convNorm(adapt(f8, p.adapter8, resize(y16, f8)), p.conv8, 1);
      const y4 = convNorm(adapt(f4, p.adapter4, resize(y8, f4)), p.conv4, 1);
      return ops.conv2d(y4, p.convOut.weight, { bias: p.convOut.bias });
    });
  }

  dispose(): void {
    dispose(this.p as never);
  }
}
