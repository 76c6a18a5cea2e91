import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { Linear } from '../nn/linear.js';
import { LayerNorm } from '../nn/norm.js';
import { transposeLinear } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { FUSION_HEADS, HIDDEN } from './config.js';

/** Channels of all heads together; each is as wide as a token. */
const WIDE = FUSION_HEADS * HIDDEN;

/** An image and a text, float32 [S, 256] and [L, 256]. */
export interface Streams {
  image: Tensor;
  text: Tensor;
}

/**
 * Attention between image and text in both directions (GroundingDINO, `fuse_modules.py`, `BiAttentionBlock`; Li et al.,
 * "Grounded Language-Image Pre-training", 2022).
 *
 * A head is as wide as a token, so the projections of the many image tokens can be multiplied into those of the few text
 * tokens, which leaves the result the same: scores are `LN(v) (W_v^T K_h)`, what the image receives is `P (V_h W_out)`, and what
 * the text receives is `(P^T LN(v)) (W_vv W_out)`. Residuals are the normalised tokens; the layer scale is part of the weights.
 */
export class FusionLayer {
  private constructor(
    private readonly ops: OpSet,
    private readonly layers: {
      imageNorm: LayerNorm;
      textNorm: LayerNorm;
      /** Text tokens to what scores an image token, head by head: [256, 1024]. */
      keys: Linear;
      /** Text tokens to what is added to their scores: [256, 4]. */
      keyBias: Linear;
      /** Text tokens to what the image receives, head by head: [256, 1024]. */
      values: Linear;
      /** What the text receives, from the image as each head weighs it: [1024, 256]. */
      textOut: Linear;
    },
    /** Added to what the image receives, [256]. */
    private readonly imageBias: Tensor,
  ) {}

  static async load(source: LayerSource, key: string): Promise<FusionLayer> {
    const { weights, ops } = source;
    const gammaImage = await weights.take(`${key}.gamma_v`, [HIDDEN]);
    const gammaText = await weights.take(`${key}.gamma_l`, [HIDDEN]);
    const wide = (name: string) => takeLinear(weights, `${key}.attn.${name}`, WIDE, HIDDEN);
    const narrow = (name: string) => takeLinear(weights, `${key}.attn.${name}`, HIDDEN, WIDE);
    const [query, imageKey] = [await wide('v_proj'), await wide('l_proj')];
    const [imageValue, textValue] = [await wide('values_v_proj'), await wide('values_l_proj')];
    const [imageOut, textOut] = [await narrow('out_v_proj'), await narrow('out_l_proj')];
    scaleOutputs(imageOut, gammaImage);
    scaleOutputs(textOut, gammaText);

    const keys = new WideLinear();
    const values = new WideLinear();
    const keyBias = { weight: new Float32Array(HIDDEN * FUSION_HEADS), bias: new Float32Array(FUSION_HEADS) };
    const text = { weight: new Float32Array(WIDE * HIDDEN), bias: textOut.bias.slice() };
    const scale = 1 / Math.sqrt(HIDDEN);
    for (let head = 0; head < FUSION_HEADS; head++) {
      // Rows of the score product: an input of the text each, then its bias; columns: an input of the image, then its bias.
      const scores = await product(ops, augmented(imageKey, head), withBias(query, head), HIDDEN + 1, scale);
      keys.set(head, scores, HIDDEN + 4);
      for (let i = 0; i < HIDDEN; i++) keyBias.weight[i * FUSION_HEADS + head] = scores[i * (HIDDEN + 4) + HIDDEN]!;
      keyBias.bias[head] = scores[HIDDEN * (HIDDEN + 4) + HIDDEN]!;
      values.set(head, await product(ops, augmented(textValue, head), inputsOf(imageOut, head), HIDDEN + 1), HIDDEN);
      const received = await product(ops, augmented(imageValue, head), inputsOf(textOut, head), HIDDEN + 1);
      text.weight.set(received.subarray(0, HIDDEN * HIDDEN), head * HIDDEN * HIDDEN);
      for (let c = 0; c < HIDDEN; c++) text.bias[c]! += received[HIDDEN * HIDDEN + c]!;
    }
    return new FusionLayer(
      ops,
      {
        imageNorm: await LayerNorm.load(source, `${key}.layer_norm_v`, HIDDEN),
        textNorm: await LayerNorm.load(source, `${key}.layer_norm_l`, HIDDEN),
        keys: Linear.of(source, keys.weight, keys.bias),
        keyBias: Linear.of(source, keyBias.weight, keyBias.bias),
        values: Linear.of(source, values.weight, values.bias),
        textOut: Linear.of(source, text.weight, text.bias),
      },
      weights.own(tensor(imageOut.bias)),
    );
  }

  /**
   * @param mask Added to the scores of the text tokens, float32 [L, 4], -1e30 for those the image may not look at; none by default.
   */
  forward({ image, text }: Streams, mask?: Tensor): Streams {
    const { ops } = this;
    const { imageNorm, textNorm, keys, keyBias, values, textOut } = this.layers;
    const tokens = text.shape[0]!;
    return tidyAll(() => {
      const v = imageNorm.forward(image);
      const l = textNorm.forward(text);
      const byHead = (x: Tensor) => reshape(x, [tokens * FUSION_HEADS, HIDDEN]);
      const mixed = ops.biAttention({
        image: v,
        keys: ops.transpose(byHead(keys.forward(l))),
        keyBias: reshape(keyBias.forward(l, { residual: mask }), [-1]),
        values: byHead(values.forward(l)),
        bias: this.imageBias,
        residual: v,
      });
      return { image: mixed.image, text: textOut.forward(reshape(mixed.text, [tokens, WIDE]), { residual: l }) };
    });
  }
}

/** A linear layer as stored: weight [outputs, inputs]. */
interface StoredLinear {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly inputs: number;
}

async function takeLinear(weights: WeightReader, key: string, outputs: number, inputs: number): Promise<StoredLinear> {
  return {
    weight: await weights.take(`${key}.weight`, [outputs, inputs]),
    bias: await weights.take(`${key}.bias`, [outputs]),
    inputs,
  };
}

function scaleOutputs({ weight, bias, inputs }: StoredLinear, scale: Float32Array): void {
  for (let i = 0; i < weight.length; i++) weight[i]! *= scale[Math.floor(i / inputs)]!;
  for (let i = 0; i < bias.length; i++) bias[i]! *= scale[i]!;
}

/** A head's part of a layer from tokens, transposed, with its bias as the last row: [257, 256]. */
function augmented({ weight, bias }: StoredLinear, head: number): Float32Array {
  const out = new Float32Array((HIDDEN + 1) * HIDDEN);
  out.set(transposeLinear(weight, HIDDEN, head * HIDDEN, HIDDEN));
  out.set(bias.subarray(head * HIDDEN, (head + 1) * HIDDEN), HIDDEN * HIDDEN);
  return out;
}

/** A head's part of a layer from tokens as stored, with its bias as a column, and three more to make a multiple of 4: [256, 260]. */
function withBias({ weight, bias }: StoredLinear, head: number): Float32Array {
  const out = new Float32Array(HIDDEN * (HIDDEN + 4));
  for (let d = 0; d < HIDDEN; d++) {
    const row = head * HIDDEN + d;
    out.set(weight.subarray(row * HIDDEN, (row + 1) * HIDDEN), d * (HIDDEN + 4));
    out[d * (HIDDEN + 4) + HIDDEN] = bias[row]!;
  }
  return out;
}

/** What a layer makes of a head's channels, transposed: [256, 256]. */
function inputsOf({ weight, inputs }: StoredLinear, head: number): Float32Array {
  const out = new Float32Array(HIDDEN * HIDDEN);
  for (let o = 0; o < HIDDEN; o++) {
    for (let d = 0; d < HIDDEN; d++) out[d * HIDDEN + o] = weight[o * inputs + head * HIDDEN + d]!;
  }
  return out;
}

/** `scale * a b` with an inner length of 256. */
async function product(ops: OpSet, a: Float32Array, b: Float32Array, rows: number, scale = 1): Promise<Float32Array> {
  const out = tidy(() => ops.gemm(tensor(a, [rows, HIDDEN]), tensor(b, [HIDDEN, b.length / HIDDEN]), { alpha: scale }));
  const values = (await out.data()) as Float32Array;
  out.dispose();
  return values;
}

/** A linear layer [256, 1024] that is put together head by head. */
class WideLinear {
  readonly weight = new Float32Array(HIDDEN * WIDE);
  readonly bias = new Float32Array(WIDE);

  /** @param rows 256 rows of weights and one of biases, `stride` apart. */
  set(head: number, rows: Float32Array, stride: number): void {
    for (let i = 0; i < HIDDEN; i++) {
      this.weight.set(rows.subarray(i * stride, i * stride + HIDDEN), i * WIDE + head * HIDDEN);
    }
    this.bias.set(rows.subarray(HIDDEN * stride, HIDDEN * stride + HIDDEN), head * HIDDEN);
  }
}
