import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor } from '@tensorflow/tfjs-core';
import { Linear } from '../nn/linear.js';
import { Mlp } from '../nn/mlp.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { EMBEDDING_CHANNELS } from './image-encoder.js';

const LAYERS = 2;
const HEADS = 8;

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

/** Tokens of the prompts, as they are before the first layer. */
export interface PromptTokens {
  /** P. */
  batch: number;
  /** float32 [P * T, C]. */
  tokens: Tensor;
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

/** [batch * rows, C] as [batch, rows, C]. */
const split = (x: Tensor, batch: number): Tensor => reshape(x, [batch, x.shape[0]! / batch, x.shape[1]!]);

/** [batch, rows, C] as [batch * rows, C]. */
const flat = (x: Tensor): Tensor => reshape(x, [x.shape[0]! * x.shape[1]!, x.shape[2]!]);

/**
 * An attention's three parts, as far as they are its own: queries and keys of two attentions may be one product.
 * Batches are of queries and of what they are asked for, of which the latter may be one for all.
 */
class Attention {
  private constructor(
    private readonly ops: OpSet,
    readonly outProj: Linear,
  ) {}

  static async load(source: LayerSource, key: string, inner: number, channels: number): Promise<Attention> {
    return new Attention(source.ops, await Linear.load(source, `${key}.out_proj`, inner, channels));
  }

  /** @returns float32 [rows of the queries, C], `residual` added. */
  forward(
    query: { rows: Tensor; batch: number; column?: number },
    { key, value, batch }: { key: Tensor; value: Tensor; batch: number },
    { keyColumn, residual }: { keyColumn?: number; residual?: Tensor } = {},
  ): Tensor {
    const channels = this.outProj.weight.shape[0]!;
    const options = { heads: HEADS, channels, queryColumn: query.column, keyColumn };
    const [q, k, v] = [split(query.rows, query.batch), split(key, batch), split(value, batch)];
    return this.outProj.forward(flat(this.ops.multiHeadAttention(q, k, v, options)), { residual });
  }
}

/** The layers of a block, named as in the state dict; those with the same inputs are one. */
interface BlockLayers {
  selfAttn: Attention;
  selfQueryKey: Linear;
  selfValue: Linear;
  norm1: LayerNorm;
  crossAttnTokenToImage: Attention;
  tokenQuery: Linear;
  norm2: LayerNorm;
  mlp: Mlp;
  norm3: LayerNorm;
  crossAttnImageToToken: Attention;
  tokenKey: Linear;
  tokenValue: Linear;
  norm4: LayerNorm;
  imageKeyQuery: Linear;
  imageValue: Linear;
}

/** A layer: the prompt's tokens attend to each other and to the image, and the image to the tokens. */
class TwoWayAttentionBlock {
  private constructor(
    private readonly ops: OpSet,
    private readonly layers: BlockLayers,
    private readonly mixer: TokenMixer | undefined,
  ) {}

  static async load(
    source: LayerSource,
    key: string,
    { channels, cross, mlp }: TransformerWidths,
    mixer: TokenMixer | undefined,
  ): Promise<TwoWayAttentionBlock> {
    const names = ['self_attn', 'cross_attn_token_to_image', 'cross_attn_image_to_token'];
    const [self, toImage, toToken] = names.map((name) => `${key}.${name}`) as [string, string, string];
    const linear = (name: string) => Linear.load(source, name, channels, cross);
    const norm = (n: number) => LayerNorm.load(source, `${key}.norm${n}`, channels);
    const joined = (projections: readonly string[], outputs: number) => {
      const parts = projections.map((name) => [`${name}.weight`, `${name}.bias`, outputs] as const);
      return Linear.loadJoined(source, parts, channels);
    };
    // SAM 2 has other names for the perceptron's layers.
    const perceptron = source.weights.has(`${key}.mlp.lin1.weight`) ? ['lin1', 'lin2'] : ['layers.0', 'layers.1'];
    const [lin1, lin2] = perceptron.map((name) => `${key}.mlp.${name}`) as [string, string];
    const layers = {
      selfAttn: await Attention.load(source, self, channels, channels),
      selfQueryKey: await joined([`${self}.q_proj`, `${self}.k_proj`], channels),
      selfValue: await Linear.load(source, `${self}.v_proj`, channels, channels),
      norm1: await norm(1),
      crossAttnTokenToImage: await Attention.load(source, toImage, cross, channels),
      tokenQuery: await linear(`${toImage}.q_proj`),
      norm2: await norm(2),
      mlp: await Mlp.load(source, [lin1, lin2], channels, mlp, 'relu'),
      norm3: await norm(3),
      crossAttnImageToToken: await Attention.load(source, toToken, cross, channels),
      tokenKey: await linear(`${toToken}.k_proj`),
      tokenValue: await linear(`${toToken}.v_proj`),
      norm4: await norm(4),
      imageKeyQuery: await joined([`${toImage}.k_proj`, `${toToken}.q_proj`], cross),
      imageValue: await linear(`${toImage}.v_proj`),
    };
    return new TwoWayAttentionBlock(source.ops, layers, mixer);
  }

  project({ tokens, positioned }: ImageTokens): ImageProjections {
    const { imageKeyQuery, imageValue } = this.layers;
    return { keyQuery: imageKeyQuery.forward(positioned), value: imageValue.forward(tokens) };
  }

  /**
   * @param tokens The prompt's, float32 [P * T, C]; in the first layer the initial ones themselves.
   * @returns The tokens, and those of the image, float32 [P * N, C].
   */
  forward(
    tokens: Tensor,
    initial: PromptTokens,
    image: ImageTokens,
    projections: ImageProjections,
  ): { tokens: Tensor; image: Tensor } {
    const next = this.#updateTokens(tokens, initial, image.batch, projections);
    const updated = this.#updateImage(next, initial, image, projections);
    return { tokens: next, image: this.mixer?.forward(updated) ?? updated };
  }

  #updateTokens(tokens: Tensor, initial: PromptTokens, imageBatch: number, { keyQuery, value }: ImageProjections) {
    const { ops, layers } = this;
    const { batch } = initial;
    const first = tokens === initial.tokens;
    const joint = layers.selfQueryKey.forward(first ? tokens : ops.broadcastAdd(tokens, initial.tokens));
    const own = { key: joint, value: layers.selfValue.forward(tokens), batch };
    const self = layers.selfAttn.forward({ rows: joint, batch }, own, {
      keyColumn: tokens.shape[1]!,
      ...(!first && { residual: tokens }),
    });
    const after1 = layers.norm1.forward(self);
    const asked = layers.tokenQuery.forward(ops.broadcastAdd(after1, initial.tokens));
    const seen = { key: keyQuery, value, batch: imageBatch };
    const cross = layers.crossAttnTokenToImage.forward({ rows: asked, batch }, seen, { residual: after1 });
    const after2 = layers.norm2.forward(cross);
    return layers.norm3.forward(layers.mlp.forward(after2, after2));
  }

  #updateImage(tokens: Tensor, initial: PromptTokens, image: ImageTokens, { keyQuery, value }: ImageProjections) {
    const { ops, layers } = this;
    const { batch } = initial;
    const attended = {
      key: layers.tokenKey.forward(ops.broadcastAdd(tokens, initial.tokens)),
      value: layers.tokenValue.forward(tokens),
      batch,
    };
    // Behind the keys for the other direction.
    const asking = { rows: keyQuery, batch: image.batch, column: value.shape[1]! };
    const shared = image.batch < batch;
    const residual = shared ? undefined : image.tokens;
    const update = layers.crossAttnImageToToken.forward(asking, attended, { residual });
    const sum = shared ? reshape(ops.broadcastAdd(split(update, batch), image.tokens), update.shape) : update;
    return layers.norm4.forward(sum);
  }
}

/**
 * Two-way transformer of the mask decoder (segment-anything, `modeling/transformer.py`): the prompt's tokens attend to each
 * other and to the image, and the image to the tokens. All attention adds the initial tokens and the dense positional
 * encoding to queries and keys, but for the first layer's self-attention, which has no residual either.
 */
export class TwoWayTransformer {
  private constructor(
    private readonly ops: OpSet,
    private readonly layers: readonly TwoWayAttentionBlock[],
    private readonly final: { attn: Attention; query: Linear; key: Linear; value: Linear; norm: LayerNorm },
  ) {}

  /** @param mixers One for each layer, if there are any. */
  static async load(
    source: LayerSource,
    prefix: string,
    widths: TransformerWidths = SAM_WIDTHS,
    mixers: readonly TokenMixer[] = [],
  ): Promise<TwoWayTransformer> {
    const { channels, cross } = widths;
    const layers: TwoWayAttentionBlock[] = [];
    for (let i = 0; i < LAYERS; i++) {
      layers.push(await TwoWayAttentionBlock.load(source, `${prefix}.layers.${i}`, widths, mixers[i]));
    }
    const key = `${prefix}.final_attn_token_to_image`;
    const linear = (name: string) => Linear.load(source, `${key}.${name}`, channels, cross);
    return new TwoWayTransformer(source.ops, layers, {
      attn: await Attention.load(source, key, cross, channels),
      query: await linear('q_proj'),
      key: await linear('k_proj'),
      value: await linear('v_proj'),
      norm: await LayerNorm.load(source, `${prefix}.norm_final_attn`, channels),
    });
  }

  /** The first layer's projections of the image: shared by all prompts without masks, and worth keeping with the image. */
  project(image: ImageTokens): ImageProjections {
    return tidyAll(() => this.layers[0]!.project(image));
  }

  /**
   * @param densePe float32 [N, C].
   * @param projections Of the first layer, from `project`.
   * @returns The tokens [P * T, C], normalised, and the image tokens [P * N, C].
   */
  forward(
    initial: PromptTokens,
    image: ImageTokens,
    projections: ImageProjections,
    densePe: Tensor,
  ): { tokens: Tensor; image: Tensor } {
    const { ops } = this;
    const { batch } = initial;
    return tidyAll(() => {
      let { tokens } = initial;
      let current = image;
      for (const [i, layer] of this.layers.entries()) {
        // What is not needed any more is freed after each layer: the image's tokens are most of the memory.
        const next = tidyAll(() => {
          const projected = i === 0 ? projections : layer.project(current);
          const updated = layer.forward(tokens, initial, current, projected);
          const positioned = ops.broadcastAdd(split(updated.image, batch), densePe);
          return { ...updated, positioned: reshape(positioned, updated.image.shape) };
        });
        if (i > 0) dispose([tokens, current.tokens, current.positioned]);
        tokens = next.tokens;
        current = { batch, tokens: next.image, positioned: next.positioned };
      }
      const { attn, query, key, value, norm } = this.final;
      const seen = { key: key.forward(current.positioned), value: value.forward(current.tokens), batch };
      const asked = { rows: query.forward(ops.broadcastAdd(tokens, initial.tokens)), batch };
      return { tokens: norm.forward(attn.forward(asked, seen, { residual: tokens })), image: current.tokens };
    });
  }
}
