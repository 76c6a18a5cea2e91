import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import {
  type Affine,
  convLayout,
  type Linear,
  loadAffine,
  loadConv,
  loadDepthwise,
  loadLinear,
} from '../nn/parameters.js';
import { FEATURES, MEMORY_CHANNELS } from './config.js';

const EPSILON = 1e-6;
/** Channels before and after each step of the mask's way down. */
const MASK_CHANNELS = [1, 4, 16, 64, 256] as const;
/** What a mask of -0.5 to 0.5 is multiplied by (sam2, `sigmoid_scale_for_mem_enc`). */
const MASK_SCALE = 20;
const FUSER_LAYERS = 2;
const FUSER_HIDDEN = 1024;

interface FuserLayer {
  depthwise: { weight: Tensor; bias: Tensor };
  norm: Affine;
  hidden: Linear;
  output: Linear;
}

/** Makes memories of frames and their masks (sam2, `modeling/memory_encoder.py`). */
export class MemoryEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly p: {
      down: readonly { conv: Linear; norm: Affine }[];
      mask: Linear;
      features: Linear;
      fuser: readonly FuserLayer[];
      out: Linear;
      /** The last bias, with what marks an absent object. */
      absent: Tensor;
    },
  ) {}

  static async load(weights: WeightReader, ops: OpSet): Promise<MemoryEncoder> {
    const key = 'memory_encoder';
    const pointwise = (name: string, inputs: number, outputs: number) =>
      loadLinear(weights, `${key}.${name}`, inputs, outputs, { pointwise: true });
    const down: { conv: Linear; norm: Affine }[] = [];
    for (let i = 0; i < 4; i++) {
      const name = `${key}.mask_downsampler.encoder`;
      const [inputs, outputs] = [MASK_CHANNELS[i]!, MASK_CHANNELS[i + 1]!];
      down.push({
        conv:
          i === 0
            ? await loadFirst(weights, `${name}.0`, outputs)
            : await loadConv(weights, `${name}.${3 * i}`, inputs, outputs, 3),
        norm: await loadAffine(weights, [`${name}.${3 * i + 1}`], outputs),
      });
    }
    const fuser: FuserLayer[] = [];
    for (let i = 0; i < FUSER_LAYERS; i++) fuser.push(await loadFuserLayer(weights, `${key}.fuser.layers.${i}`));
    const bias = await weights.take(`${key}.out_proj.bias`, [MEMORY_CHANNELS]);
    const marker = await weights.take('no_obj_embed_spatial', [1, MEMORY_CHANNELS]);
    return new MemoryEncoder(ops, {
      down,
      mask: await pointwise('mask_downsampler.encoder.12', FEATURES, FEATURES),
      features: await pointwise('pix_feat_proj', FEATURES, FEATURES),
      fuser,
      out: await pointwise('out_proj', FEATURES, MEMORY_CHANNELS),
      absent: weights.own(tensor(bias.map((value, i) => value + marker[i]!))),
    });
  }

  /** What all objects of a frame share, float32 [n^2, 256]. @param features Of the image, float32 [n^2, 256]. */
  project(features: Tensor): Tensor {
    return this.ops.gemm(features, this.p.features.weight, { bias: this.p.features.bias });
  }

  /**
   * @param projected From `project`.
   * @param mask float32 [16 n, 16 n], from -0.5 outside of the object to 0.5 in it.
   * @param present Whether the object is there.
   * @returns float32 [n^2, 64].
   */
  encode(projected: Tensor, mask: Tensor, present: boolean): Tensor {
    const { ops, p } = this;
    const positions = projected.shape[0]!;
    const side = Math.sqrt(positions);
    return tidy(() => {
      let x: Tensor = reshape(mask, [mask.shape[0]!, mask.shape[1]!, 1]);
      for (const { conv, norm } of p.down) {
        const half = ops.conv2d(x, conv.weight, { bias: conv.bias, stride: 2, padding: 1 });
        x = ops.layerNorm(half, norm.weight, norm.bias, { eps: EPSILON, activation: 'gelu' });
      }
      let y: Tensor = ops.gemm(reshape(x, [positions, FEATURES]), p.mask.weight, {
        bias: p.mask.bias,
        residual: projected,
      });
      for (const { depthwise, norm, hidden, output } of p.fuser) {
        const mixed = ops.depthwiseConv(reshape(y, [side, side, FEATURES]), depthwise.weight, {
          bias: depthwise.bias,
          padding: 3,
        });
        const normal = ops.layerNorm(reshape(mixed, [positions, FEATURES]), norm.weight, norm.bias, { eps: EPSILON });
        y = ops.feedForward(normal, hidden, output, { activation: 'gelu', residual: y });
      }
      return ops.gemm(y, p.out.weight, { bias: present ? p.out.bias : p.absent });
    });
  }
}

/** The first convolution sees masks of -10 to 10. */
async function loadFirst(weights: WeightReader, key: string, outputs: number): Promise<Linear> {
  const shape = [outputs, 1, 3, 3] as const;
  const weight = convLayout(await weights.take(`${key}.weight`, shape), shape).map((value) => value * MASK_SCALE);
  return {
    weight: weights.own(tensor(weight, [3, 3, 1, outputs])),
    bias: weights.own(tensor(await weights.take(`${key}.bias`, [outputs]))),
  };
}

/** A ConvNeXt block (Liu et al., 2022), its factors part of the last layer. */
async function loadFuserLayer(weights: WeightReader, key: string): Promise<FuserLayer> {
  const gamma = await weights.take(`${key}.gamma`, [FEATURES]);
  const weight = await weights.take(`${key}.pwconv2.weight`, [FEATURES, FUSER_HIDDEN]);
  const bias = await weights.take(`${key}.pwconv2.bias`, [FEATURES]);
  const scaled = new Float32Array(FUSER_HIDDEN * FEATURES);
  for (let o = 0; o < FEATURES; o++) {
    for (let i = 0; i < FUSER_HIDDEN; i++) scaled[i * FEATURES + o] = weight[o * FUSER_HIDDEN + i]! * gamma[o]!;
  }
  return {
    depthwise: {
      weight: await loadDepthwise(weights, `${key}.dwconv`, FEATURES, 7),
      bias: weights.own(tensor(await weights.take(`${key}.dwconv.bias`, [FEATURES]))),
    },
    norm: await loadAffine(weights, [`${key}.norm`], FEATURES),
    hidden: await loadLinear(weights, `${key}.pwconv1`, FEATURES, FUSER_HIDDEN),
    output: {
      weight: weights.own(tensor(scaled, [FUSER_HIDDEN, FEATURES])),
      bias: weights.own(tensor(bias.map((value, i) => value * gamma[i]!))),
    },
  };
}
