import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import { Conv2d, DepthwiseConv } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import { convLayout, transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import { FEATURES, MEMORY_CHANNELS } from './config.js';

const EPSILON = 1e-6;
/** Channels before and after each step of the mask's way down. */
const MASK_CHANNELS = [1, 4, 16, 64, 256] as const;
/** What a mask of -0.5 to 0.5 is multiplied by (sam2, `sigmoid_scale_for_mem_enc`). */
const MASK_SCALE = 20;
const HALVING = { stride: 2, padding: 1 };
const FUSER_LAYERS = 2;
const FUSER_HIDDEN = 1024;

/** A ConvNeXt block (Liu et al., 2022), its factors part of the last layer. */
class FuserBlock {
  private constructor(
    private readonly dwconv: DepthwiseConv,
    private readonly norm: LayerNorm,
    private readonly mlp: Mlp,
  ) {}

  static async load(source: LayerSource, key: string): Promise<FuserBlock> {
    const { weights, ops } = source;
    const gamma = await weights.take(`${key}.gamma`, [FEATURES]);
    const weight = await weights.take(`${key}.pwconv2.weight`, [FEATURES, FUSER_HIDDEN]);
    const bias = await weights.take(`${key}.pwconv2.bias`, [FEATURES]);
    const scaled = transposeLinear(weight, FUSER_HIDDEN, 0, FEATURES).map((value, i) => value * gamma[i % FEATURES]!);
    const second = Linear.of(
      source,
      scaled,
      bias.map((value, i) => value * gamma[i]!),
    );
    return new FuserBlock(
      await DepthwiseConv.load(source, `${key}.dwconv`, FEATURES, 7, { padding: 3 }),
      await LayerNorm.load(source, `${key}.norm`, FEATURES, EPSILON),
      new Mlp(ops, await Linear.load(source, `${key}.pwconv1`, FEATURES, FUSER_HIDDEN), second, 'gelu'),
    );
  }

  /** @param x float32 [side^2, 256]. */
  forward(x: Tensor, side: number): Tensor {
    const mixed = this.dwconv.forward(reshape(x, [side, side, FEATURES]));
    return this.mlp.forward(this.norm.forward(reshape(mixed, x.shape)), x);
  }
}

/** The layers, named as in the state dict. */
interface MemoryLayers {
  maskDownsampler: readonly { conv: Conv2d; norm: LayerNorm }[];
  maskProj: Linear;
  pixFeatProj: Linear;
  fuser: readonly FuserBlock[];
  outProj: Linear;
  /** Added to memories of objects that are there, and of others, float32 [64]. */
  markers: { present: Tensor; absent: Tensor };
  /** float32 [1] each. */
  constants: { zero: Tensor; minusHalf: Tensor };
}

/** Makes memories of frames and their masks (sam2, `modeling/memory_encoder.py`). */
export class MemoryEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly layers: MemoryLayers,
  ) {}

  static async load(source: LayerSource): Promise<MemoryEncoder> {
    const { weights, ops } = source;
    const key = 'memory_encoder';
    const pointwise = (name: string, inputs: number, outputs: number) =>
      Linear.load(source, `${key}.${name}`, inputs, outputs, { pointwise: true });
    const maskDownsampler: { conv: Conv2d; norm: LayerNorm }[] = [];
    for (let i = 0; i < 4; i++) {
      const name = `${key}.mask_downsampler.encoder`;
      const [inputs, outputs] = [MASK_CHANNELS[i]!, MASK_CHANNELS[i + 1]!];
      maskDownsampler.push({
        conv:
          i === 0
            ? await loadFirst(source, `${name}.0`, outputs)
            : await Conv2d.load(source, `${name}.${3 * i}`, inputs, outputs, 3, HALVING),
        norm: await LayerNorm.load(source, `${name}.${3 * i + 1}`, outputs, EPSILON),
      });
    }
    const fuser: FuserBlock[] = [];
    for (let i = 0; i < FUSER_LAYERS; i++) fuser.push(await FuserBlock.load(source, `${key}.fuser.layers.${i}`));
    const marker = await weights.take('no_obj_embed_spatial', [1, MEMORY_CHANNELS]);
    return new MemoryEncoder(ops, {
      maskDownsampler,
      maskProj: await pointwise('mask_downsampler.encoder.12', FEATURES, FEATURES),
      pixFeatProj: await pointwise('pix_feat_proj', FEATURES, FEATURES),
      fuser,
      outProj: await pointwise('out_proj', FEATURES, MEMORY_CHANNELS),
      markers: {
        present: weights.own(tensor(new Float32Array(MEMORY_CHANNELS))),
        absent: weights.own(tensor(marker, [MEMORY_CHANNELS])),
      },
      constants: { zero: weights.own(tensor([0])), minusHalf: weights.own(tensor([-0.5])) },
    });
  }

  /** What all objects of a frame share, float32 [n^2, 256]. @param features Of the image, float32 [n^2, 256]. */
  project(features: Tensor): Tensor {
    return this.layers.pixFeatProj.forward(features);
  }

  /** Probabilities less a half, float32 [side, side]. @param logits float32 [lowRes, lowRes, 1] */
  softMask(logits: Tensor, side: number): Tensor {
    const { ops } = this;
    const { zero, minusHalf } = this.layers.constants;
    const probabilities = ops.broadcastAdd(ops.resizeBilinear(logits, [side, side]), zero, { activation: 'sigmoid' });
    return reshape(ops.broadcastAdd(probabilities, minusHalf), [side, side]);
  }

  /** What a memory says of an object's being there, float32 [64]. The encoder's own. */
  marker(present: boolean): Tensor {
    return present ? this.layers.markers.present : this.layers.markers.absent;
  }

  /**
   * @param projected From `project`.
   * @param mask float32 [16 n, 16 n], from -0.5 outside of the object to 0.5 in it.
   * @param marker From `marker`.
   * @returns float32 [n^2, 64].
   */
  encode(projected: Tensor, mask: Tensor, marker: Tensor): Tensor {
    const { maskDownsampler, maskProj, fuser, outProj } = this.layers;
    const positions = projected.shape[0]!;
    const side = Math.sqrt(positions);
    return tidy(() => {
      let x: Tensor = reshape(mask, [mask.shape[0]!, mask.shape[1]!, 1]);
      for (const { conv, norm } of maskDownsampler) x = norm.forward(conv.forward(x), 'gelu');
      let y = maskProj.forward(reshape(x, [positions, FEATURES]), { residual: projected });
      for (const block of fuser) y = block.forward(y, side);
      return this.ops.broadcastAdd(outProj.forward(y), marker);
    });
  }
}

/** The first convolution sees masks of -10 to 10. */
async function loadFirst({ weights, ops }: LayerSource, key: string, outputs: number): Promise<Conv2d> {
  const shape = [outputs, 1, 3, 3] as const;
  const weight = convLayout(await weights.take(`${key}.weight`, shape), shape).map((value) => value * MASK_SCALE);
  const bias = weights.own(tensor(await weights.take(`${key}.bias`, [outputs])));
  return new Conv2d(ops, weights.own(tensor(weight, [3, 3, 1, outputs])), bias, HALVING);
}
