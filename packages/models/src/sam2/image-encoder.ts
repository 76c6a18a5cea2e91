import type { OpSet } from '@samtrack/kernels';
import { type Tensor, tensor } from '@tensorflow/tfjs-core';
import { Hiera, type HieraTap } from '../encoders/hiera.js';
import { Linear } from '../nn/linear.js';
import { transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { FEATURE_STRIDE, FEATURES, type Sam2Config } from './config.js';

/** What the decoder and the memory need of an image; the tensors belong to the receiver. */
export interface ImageFeatures {
  /** At stride 16, float32 [n^2, 256]. */
  features: Tensor;
  /** For the decoder's first upscaling, float32 [4 n^2, 64]: the 2x2 pixels at stride 8 of each position. */
  s1: Tensor;
  /** For the second, float32 [16 n^2, 32]: for each of those its 2x2 pixels at stride 4. */
  s0: Tensor;
}

/** Channels of the decoder's features at strides 4 and 8. */
const SKIP_CHANNELS = [32, 64] as const;

/**
 * Image encoder of SAM 2: Hiera, a pyramid of which only the level at stride 16 gets anything from the coarser one, and the two
 * convolutions with which the mask decoder begins (sam2, `modeling/backbones/image_encoder.py`). The latter follow
 * point-wise ones of the pyramid, so that two are one and the fine levels of 256 channels never exist.
 */
export class Sam2ImageEncoder {
  private constructor(
    private readonly ops: OpSet,
    private readonly trunk: Hiera,
    private readonly layers: { level3: Linear; level2: Linear; s1: Linear; s0: Linear },
    /** The coarser position below each one at stride 16, and the blocks of pixels of each one. */
    private readonly rows: { nearest: Tensor; blocks1: Tensor; blocks0: Tensor },
  ) {}

  static async load(
    source: LayerSource,
    config: Sam2Config,
    onProgress?: (fraction: number) => void,
  ): Promise<Sam2ImageEncoder> {
    const { embed, imageSize } = config;
    const trunk = await Hiera.load(source, 'image_encoder.trunk.', config, onProgress);
    const side = imageSize / FEATURE_STRIDE;
    const key = 'image_encoder.neck.convs';
    const level = (i: number, inputs: number) =>
      Linear.load(source, `${key}.${i}.conv`, inputs, FEATURES, { pointwise: true });
    const own = (rows: Int32Array) => source.weights.own(tensor(rows, [rows.length], 'int32'));
    return new Sam2ImageEncoder(
      source.ops,
      trunk,
      {
        level3: await level(0, 8 * embed),
        level2: await level(1, 4 * embed),
        s1: await loadFolded(source, `${key}.2.conv`, 'sam_mask_decoder.conv_s1', 2 * embed, SKIP_CHANNELS[1]),
        s0: await loadFolded(source, `${key}.3.conv`, 'sam_mask_decoder.conv_s0', embed, SKIP_CHANNELS[0]),
      },
      { nearest: own(nearestRows(side)), blocks1: own(blockRows(side, 1)), blocks0: own(blockRows(side, 2)) },
    );
  }

  /** @param image float32 [imageSize, imageSize, 4], normalised. */
  forward(image: Tensor, onTap?: HieraTap): ImageFeatures {
    const { ops, layers, rows } = this;
    return tidyAll(() => {
      const [stage1, stage2, stage3, stage4] = this.trunk.forward(image, onTap) as [Tensor, Tensor, Tensor, Tensor];
      const coarse = layers.level3.forward(stage4);
      onTap?.('fpn.3', coarse);
      const features = layers.level2.forward(stage3, { residual: ops.gatherRows(coarse, rows.nearest) });
      onTap?.('fpn.2', features);
      return {
        features,
        s1: ops.gatherRows(layers.s1.forward(stage2), rows.blocks1),
        s0: ops.gatherRows(layers.s0.forward(stage1), rows.blocks0),
      };
    });
  }
}

/** A 1x1 convolution to 256 channels and another one after it, as one. */
async function loadFolded(
  source: LayerSource,
  first: string,
  second: string,
  inputs: number,
  outputs: number,
): Promise<Linear> {
  const { weights } = source;
  const inner = await weights.take(`${first}.weight`, [FEATURES, inputs, 1, 1]);
  const innerBias = await weights.take(`${first}.bias`, [FEATURES]);
  const outer = await weights.take(`${second}.weight`, [outputs, FEATURES, 1, 1]);
  const bias = await weights.take(`${second}.bias`, [outputs]);
  const product = composed(outer, inner, outputs, inputs);
  const shift = composed(outer, innerBias, outputs, 1);
  return Linear.of(
    source,
    transposeLinear(product, inputs, 0, outputs),
    shift.map((value, i) => value + bias[i]!),
  );
}

/** [outputs, 256] times [256, inputs], summed in double precision. */
function composed(outer: Float32Array, inner: Float32Array, outputs: number, inputs: number): Float32Array {
  const out = new Float32Array(outputs * inputs);
  const row = new Float64Array(inputs);
  for (let o = 0; o < outputs; o++) {
    row.fill(0);
    for (let k = 0; k < FEATURES; k++) {
      const factor = outer[o * FEATURES + k]!;
      for (let i = 0; i < inputs; i++) row[i]! += factor * inner[k * inputs + i]!;
    }
    out.set(row, o * inputs);
  }
  return out;
}

/** The position in an image of half the side that lies below each position. */
const nearestRows = (side: number): Int32Array =>
  Int32Array.from({ length: side * side }, (_, i) => {
    const [y, x] = [Math.floor(i / side), i % side];
    return (y >> 1) * (side / 2) + (x >> 1);
  });

/** Pixels of an image of 2^depth times the side, in blocks of 2x2 of blocks of 2x2. */
export function blockRows(side: number, depth: number): Int32Array {
  const wide = side << depth;
  const pixels = 4 ** depth;
  return Int32Array.from({ length: wide * wide }, (_, i) => {
    let [y, x] = [Math.floor(Math.floor(i / pixels) / side), Math.floor(i / pixels) % side];
    for (let level = depth - 1; level >= 0; level--) {
      const quadrant = (i >> (2 * level)) & 3;
      [y, x] = [2 * y + (quadrant >> 1), 2 * x + (quadrant & 1)];
    }
    return y * wide + x;
  });
}
