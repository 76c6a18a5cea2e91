import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Conv2d } from '../nn/conv.js';
import { GroupNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { type DeAotConfig, EMBED, GROUP_OBJECTS } from './config.js';

const GROUPS = 8;

/** Channels of the logits: background, ten identities, and one that pads to whole vectors. */
export const LOGIT_CHANNELS = GROUP_OBJECTS + 2;

/** A convolution, its normalisation, and a ReLU. */
class ConvNorm {
  private constructor(
    private readonly conv: Conv2d,
    private readonly norm: GroupNorm,
  ) {}

  static async load(source: LayerSource, key: string, inputs: number, outputs: number, kernel: 1 | 3) {
    return new ConvNorm(
      await Conv2d.load(source, `${key}.conv`, inputs, outputs, kernel, { padding: (kernel - 1) / 2 }),
      await GroupNorm.load(source, `${key}.gn`, outputs, GROUPS),
    );
  }

  forward(x: Tensor): Tensor {
    return this.norm.forward(this.conv.forward(x), 'relu');
  }
}

/** The layers of the head, from stride 16 to stride 4. */
interface FpnLayers {
  convIn: ConvNorm;
  conv16x: ConvNorm;
  conv8x: ConvNorm;
  conv4x: ConvNorm;
  adapter16x: Conv2d;
  adapter8x: Conv2d;
  adapter4x: Conv2d;
  convOut: Conv2d;
}

/** FPN head from the propagated streams to logits at stride 4 (aot-benchmark, `decoders/fpn.py`). */
export class FpnDecoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly alignCorners: boolean,
    private readonly layers: FpnLayers,
  ) {}

  static async load(source: LayerSource, { channels, alignCorners }: DeAotConfig): Promise<FpnDecoder> {
    const [c4, c8, c16] = channels;
    const adapter = (name: string, inputs: number, outputs: number) =>
      Conv2d.load(source, `decoder.${name}`, inputs, outputs, 1);
    return new FpnDecoder(source.ops, alignCorners, {
      convIn: await ConvNorm.load(source, 'decoder.conv_in', 2 * EMBED, 256, 1),
      conv16x: await ConvNorm.load(source, 'decoder.conv_16x', 256, 256, 3),
      conv8x: await ConvNorm.load(source, 'decoder.conv_8x', 256, 128, 3),
      conv4x: await ConvNorm.load(source, 'decoder.conv_4x', 128, 128, 3),
      adapter16x: await adapter('adapter_16x', c16, 256),
      adapter8x: await adapter('adapter_8x', c8, 256),
      adapter4x: await adapter('adapter_4x', c4, 128),
      // The added channel can never be the largest.
      convOut: await Conv2d.loadPointwise(source, 'decoder.conv_out', 128, GROUP_OBJECTS + 1, {
        paddedOutputs: LOGIT_CHANNELS,
        paddedBias: -1e10,
      }),
    });
  }

  /**
   * @param x float32 [h16, w16, 512].
   * @param f4, f8, f16 Encoder maps, float32 [h, w, C].
   * @returns float32 [h4, w4, 12].
   */
  forward(x: Tensor, { f4, f8, f16 }: { f4: Tensor; f8: Tensor; f16: Tensor }): Tensor {
    const { convIn, conv16x, conv8x, conv4x, adapter16x, adapter8x, adapter4x, convOut } = this.layers;
    const { alignCorners } = this;
    const resize = (y: Tensor, like: Tensor) =>
      this.ops.resizeBilinear(y, [like.shape[0]!, like.shape[1]!], { alignCorners });
    return tidy(() => {
      const y16 = conv16x.forward(adapter16x.forward(f16, { residual: convIn.forward(x) }));
      const y8 = conv8x.forward(adapter8x.forward(f8, { residual: resize(y16, f8) }));
      const y4 = conv4x.forward(adapter4x.forward(f4, { residual: resize(y8, f4) }));
      return convOut.forward(y4);
    });
  }
}
