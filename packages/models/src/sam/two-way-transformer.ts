import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadLinear } from '../nn/parameters.js';
import { HEADS, loadJoined } from './attention.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';

const LAYERS = 2;

/** Widths of a two-way transformer. */
export interface TransformerWidths {
  /** Channels of tokens and image. */
  channels: number;
  /** Inner channels of attention between tokens and image. */
  cross: number;
  mlp: number;
}

/** Those of every published Segment Anything. */
const SAM_WIDTHS: TransformerWidths = { channels: EMBEDDING_CHANNELS, cross: 128, mlp: 2048 };

/** What becomes of the image's tokens after a layer, float32 [P * N, C]. */
export interface TokenMixer {
  forward(image: Tensor): Tensor;
}

/**
 * Image tokens and what layers read of them. `batch` is 1 where all prompts see the same tokens, which is so in the first
 * layer unless masks are prompts.
 */
export interface ImageTokens {
  batch: number;
  /** float32 [batch * N, C]. */
  tokens: Tensor;
  /** With the positional encoding. */
  positioned: Tensor;
}

/** Image tokens projected for a layer: what the tokens of the prompt read, and what the image asks them with. */
export interface ImageProjections {
  /** float32 [batch * N, 2 * cross]: keys for the prompt's tokens, then the image's own queries. */
  keyQuery: Tensor;
  /** float32 [batch * N, cross]. */
  value: Tensor;
}

interface Layer {
  selfQueryKey: Linear;
  selfValue: Linear;
  selfOut: Linear;
  norm1: Affine;
  toImageQuery: Linear;
  toImageOut: Linear;
  norm2: Affine;
  mlp1: Linear;
  mlp2: Linear;
  norm3: Affine;
  toTokenKey: Linear;
  toTokenValue: Linear;
  toTokenOut: Linear;
  norm4: Affine;
  imageKeyQuery: Linear;
  imageValue: Linear;
}

/**
 * Two-way transformer of the mask decoder (segment-anything, `modeling/transformer.py`): the prompt's tokens attend to each
 * other and to the image, and the image to the tokens. All attention adds the initial tokens and the dense positional
 * encoding to queries and keys, but for the first layer's self-attention, which has no residual either.
 */
export class TwoWayTransformer {
  private constructor(
    private readonly ops: OpSet,
    private readonly widths: TransformerWidths,
    private readonly mixers: readonly TokenMixer[],
    private readonly layers: readonly Layer[],
    private readonly final: { query: Linear; imageKey: Linear; imageValue: Linear; out: Linear; norm: Affine },
  ) {}

  /** @param mixers One for each layer, if there are any. */
  static async load(
    weights: WeightReader,
    prefix: string,
    ops: OpSet,
    widths: TransformerWidths = SAM_WIDTHS,
    mixers: readonly TokenMixer[] = [],
  ): Promise<TwoWayTransformer> {
    const { channels, cross: inner, mlp } = widths;
    const cross = (key: string) => loadLinear(weights, key, channels, inner);
    const out = (key: string, inputs: number) => loadLinear(weights, `${key}.out_proj`, inputs, channels);
    const layers: Layer[] = [];
    for (let i = 0; i < LAYERS; i++) {
      const key = `${prefix}.layers.${i}`;
      const [self, toImage, toToken] = ['self_attn', 'cross_attn_token_to_image', 'cross_attn_image_to_token'].map(
        (name) => `${key}.${name}`,
      ) as [string, string, string];
      // SAM 2 has other names for the perceptron's layers.
      const [lin1, lin2] = weights.has(`${key}.mlp.layers.0.weight`) ? ['layers.0', 'layers.1'] : ['lin1', 'lin2'];
      const norm = (n: number) => loadAffine(weights, [`${key}.norm${n}`], channels);
      layers.push({
        selfQueryKey: await loadJoined(weights, [`${self}.q_proj`, `${self}.k_proj`], channels, channels),
        selfValue: await loadLinear(weights, `${self}.v_proj`, channels, channels),
        selfOut: await out(self, channels),
        norm1: await norm(1),
        toImageQuery: await cross(`${toImage}.q_proj`),
        toImageOut: await out(toImage, inner),
        norm2: await norm(2),
        mlp1: await loadLinear(weights, `${key}.mlp.${lin1}`, channels, mlp),
        mlp2: await loadLinear(weights, `${key}.mlp.${lin2}`, mlp, channels),
        norm3: await norm(3),
        toTokenKey: await cross(`${toToken}.k_proj`),
        toTokenValue: await cross(`${toToken}.v_proj`),
        toTokenOut: await out(toToken, inner),
        norm4: await norm(4),
        imageKeyQuery: await loadJoined(weights, [`${toImage}.k_proj`, `${toToken}.q_proj`], channels, inner),
        imageValue: await cross(`${toImage}.v_proj`),
      });
    }
    const key = `${prefix}.final_attn_token_to_image`;
    return new TwoWayTransformer(ops, widths, mixers, layers, {
      query: await cross(`${key}.q_proj`),
      imageKey: await cross(`${key}.k_proj`),
      imageValue: await cross(`${key}.v_proj`),
      out: await out(key, inner),
      norm: await loadAffine(weights, [`${prefix}.norm_final_attn`], channels),
    });
  }

  /** The first layer's projections of the image: shared by all prompts without masks, and worth keeping with the image. */
  project(image: ImageTokens): ImageProjections {
    return tidy(() => this.#project(this.layers[0]!, image) as never) as ImageProjections;
  }

  #project(layer: Layer, { tokens, positioned }: ImageTokens): ImageProjections {
    return {
      keyQuery: linear(this.ops, positioned, layer.imageKeyQuery),
      value: linear(this.ops, tokens, layer.imageValue),
    };
  }

  /**
   * @param tokens float32 [P * T, C].
   * @param densePe float32 [N, C].
   * @param projections Of the first layer, from `project`.
   * @returns The tokens [P * T, C], normalised, and the image tokens [P * N, C].
   */
  forward(
    tokens: Tensor,
    prompts: number,
    image: ImageTokens,
    projections: ImageProjections,
    densePe: Tensor,
  ): { tokens: Tensor; image: Tensor } {
    const { ops } = this;
    return tidy(() => {
      let queries = tokens;
      let current = image;
      for (const [i, layer] of this.layers.entries()) {
        // What is not needed any more is freed after each layer: the image's tokens are most of the memory.
        const result = tidy(() => {
          const projected = i === 0 ? projections : this.#project(layer, current);
          const next = this.#updateTokens(layer, queries, tokens, prompts, projected, current.batch, i === 0);
          const updated = this.#updateImage(layer, next, tokens, prompts, projected, current);
          const imageNext = this.mixers[i]?.forward(updated) ?? updated;
          const positioned = ops.broadcastAdd(reshape(imageNext, [prompts, ...densePe.shape]), densePe);
          return { next, imageNext, positioned: reshape(positioned, imageNext.shape) };
        }) as { next: Tensor; imageNext: Tensor; positioned: Tensor };
        if (i > 0) dispose([queries, current.tokens, current.positioned]);
        queries = result.next;
        current = { batch: prompts, tokens: result.imageNext, positioned: result.positioned };
      }
      const { query, imageKey, imageValue, out, norm } = this.final;
      const key = linear(ops, current.positioned, imageKey);
      const value = linear(ops, current.tokens, imageValue);
      const asked = linear(ops, ops.broadcastAdd(queries, tokens), query);
      const read = this.#attend(asked, key, value, prompts, current.batch, {});
      const final = ops.gemm(read, out.weight, { bias: out.bias, residual: queries });
      const normed = ops.layerNorm(final, norm.weight, norm.bias);
      return { tokens: normed, image: current.tokens };
    }) as { tokens: Tensor; image: Tensor };
  }

  #updateTokens(
    layer: Layer,
    queries: Tensor,
    initial: Tensor,
    prompts: number,
    image: ImageProjections,
    imageBatch: number,
    first: boolean,
  ): Tensor {
    const { ops } = this;
    const normed = (x: Tensor, { weight, bias }: Affine) => ops.layerNorm(x, weight, bias);
    const asking = first ? queries : ops.broadcastAdd(queries, initial);
    const queryKey = split(linear(ops, asking, layer.selfQueryKey), prompts);
    const value = split(linear(ops, queries, layer.selfValue), prompts);
    const seen = ops.multiHeadAttention(queryKey, queryKey, value, {
      heads: HEADS,
      channels: this.widths.channels,
      keyColumn: this.widths.channels,
    });
    const self = ops.gemm(flat(seen), layer.selfOut.weight, {
      bias: layer.selfOut.bias,
      residual: first ? undefined : queries,
    });
    const after1 = normed(self, layer.norm1);
    const asked = linear(ops, ops.broadcastAdd(after1, initial), layer.toImageQuery);
    const read = this.#attend(asked, image.keyQuery, image.value, prompts, imageBatch, { channels: this.widths.cross });
    const cross = ops.gemm(read, layer.toImageOut.weight, { bias: layer.toImageOut.bias, residual: after1 });
    const after2 = normed(cross, layer.norm2);
    const hidden = ops.gemm(after2, layer.mlp1.weight, { bias: layer.mlp1.bias, activation: 'relu' });
    const mlp = ops.gemm(hidden, layer.mlp2.weight, { bias: layer.mlp2.bias, residual: after2 });
    return normed(mlp, layer.norm3);
  }

  #updateImage(
    layer: Layer,
    queries: Tensor,
    initial: Tensor,
    prompts: number,
    { keyQuery }: ImageProjections,
    image: ImageTokens,
  ): Tensor {
    const { ops } = this;
    const key = split(linear(ops, ops.broadcastAdd(queries, initial), layer.toTokenKey), prompts);
    const value = split(linear(ops, queries, layer.toTokenValue), prompts);
    const read = ops.multiHeadAttention(split(keyQuery, image.batch), key, value, {
      heads: HEADS,
      channels: this.widths.cross,
      queryColumn: this.widths.cross,
    });
    const { weight, bias } = layer.toTokenOut;
    const shared = image.batch < prompts;
    const update = ops.gemm(flat(read), weight, { bias, residual: shared ? undefined : image.tokens });
    const sum = shared ? reshape(ops.broadcastAdd(split(update, prompts), image.tokens), update.shape) : update;
    return ops.layerNorm(sum, layer.norm4.weight, layer.norm4.bias);
  }

  /** What tokens [P * T, cross] read from the image, of the same shape. */
  #attend(
    queries: Tensor,
    key: Tensor,
    value: Tensor,
    prompts: number,
    imageBatch: number,
    { channels }: { channels?: number },
  ): Tensor {
    return flat(
      this.ops.multiHeadAttention(split(queries, prompts), split(key, imageBatch), split(value, imageBatch), {
        heads: HEADS,
        channels,
      }),
    );
  }

  dispose(): void {
    dispose([this.layers, this.final] as never);
  }
}

const linear = (ops: OpSet, x: Tensor, { weight, bias }: Linear): Tensor => ops.gemm(x, weight, { bias });

/** [batch * rows, C] as [batch, rows, C]. */
const split = (x: Tensor, batch: number): Tensor => reshape(x, [batch, x.shape[0]! / batch, x.shape[1]!]);

/** [batch, rows, C] as [batch * rows, C]. */
const flat = (x: Tensor): Tensor => reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!]);
