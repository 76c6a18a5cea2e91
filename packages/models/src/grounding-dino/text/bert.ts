import { type Tensor, type Tensor2D, tensor2d, tidy } from '@tensorflow/tfjs-core';
import { Attention } from '../../nn/attention.js';
import { Linear } from '../../nn/linear.js';
import { Mlp } from '../../nn/mlp.js';
import { LayerNorm } from '../../nn/norm.js';
import type { LayerSource } from '../../nn/source.js';
import { BERT_HIDDEN, MAX_TEXT_TOKENS } from '../config.js';

const HEADS = 12;
const FFN_HIDDEN = 3072;
const VOCABULARY = 30_522;
const POSITIONS = 512;
const EPS = 1e-12;
/** Added where a token may not look; finite, since WGSL may assume that there are no infinities. */
const MASKED = -1e30;

/** Self-attention and a two-layer perceptron, each followed by its normalisation. */
class BertLayer {
  private constructor(
    private readonly attention: Attention,
    private readonly attentionNorm: LayerNorm,
    private readonly mlp: Mlp,
    private readonly norm: LayerNorm,
  ) {}

  static async load(source: LayerSource, key: string): Promise<BertLayer> {
    const self = ['query', 'key', 'value'].map((name) => `${key}.attention.self.${name}`);
    const projections = self.map((name) => [`${name}.weight`, `${name}.bias`, BERT_HIDDEN] as const);
    const qkv = await Linear.loadJoined(source, projections, BERT_HIDDEN);
    const proj = await Linear.load(source, `${key}.attention.output.dense`, BERT_HIDDEN, BERT_HIDDEN);
    const dense = [`${key}.intermediate.dense`, `${key}.output.dense`] as const;
    return new BertLayer(
      new Attention(source.ops, HEADS, qkv, proj),
      await LayerNorm.load(source, `${key}.attention.output.LayerNorm`, BERT_HIDDEN, EPS),
      await Mlp.load(source, dense, BERT_HIDDEN, FFN_HIDDEN, 'gelu'),
      await LayerNorm.load(source, `${key}.output.LayerNorm`, BERT_HIDDEN, EPS),
    );
  }

  /** @param x float32 [L, 768]. @param mask Added to the attention logits, float32 [L, L]. */
  forward(x: Tensor, mask: Tensor): Tensor {
    return tidy(() => {
      const attended = this.attentionNorm.forward(this.attention.forward(x, { mask, residual: x }));
      return this.norm.forward(this.mlp.forward(attended, attended));
    });
  }
}

/** A caption as BERT takes it. */
export interface BertInputs extends Readonly<Record<string, Tensor>> {
  /** Sums of the embeddings of each token, float32 [L, 768]. */
  readonly rows: Tensor;
  /** Added to the attention logits, float32 [L, L]. */
  readonly mask: Tensor;
}

/**
 * BERT-base, uncased (Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018),
 * with the attention mask and the positions of sub-sentences. Keys are those of Hugging Face's `BertModel`; the pooler is unused.
 */
export class Bert {
  private constructor(
    /** Stays on the CPU, 94 MB: a caption needs 256 of its rows at most. */
    private readonly words: Float32Array,
    /** Position and token type, [256, 768]. */
    private readonly positions: Float32Array,
    private readonly norm: LayerNorm,
    private readonly layers: readonly BertLayer[],
  ) {}

  /**
   * @param prefix What stands before `embeddings` in the keys.
   * @param depth Number of layers; 12 in the published models.
   */
  static async load(source: LayerSource, prefix: string, depth: number): Promise<Bert> {
    const { weights } = source;
    const key = `${prefix}embeddings`;
    const words = await weights.take(`${key}.word_embeddings.weight`, [VOCABULARY, BERT_HIDDEN]);
    const allPositions = await weights.take(`${key}.position_embeddings.weight`, [POSITIONS, BERT_HIDDEN]);
    const types = await weights.take(`${key}.token_type_embeddings.weight`, [2, BERT_HIDDEN]);
    const positions = allPositions.slice(0, MAX_TEXT_TOKENS * BERT_HIDDEN);
    for (let i = 0; i < positions.length; i++) positions[i]! += types[i % BERT_HIDDEN]!;
    const norm = await LayerNorm.load(source, `${key}.LayerNorm`, BERT_HIDDEN, EPS);
    const layers: BertLayer[] = [];
    for (let i = 0; i < depth; i++) layers.push(await BertLayer.load(source, `${prefix}encoder.layer.${i}`));
    return new Bert(words, positions, norm, layers);
  }

  /**
   * What is computed on the CPU. The caller disposes it.
   * @param ids L token ids.
   * @param attends Row-major [L, L]: 1 where the token of the row attends to that of the column.
   */
  inputs(ids: readonly number[], attends: Uint8Array, positionIds: Int32Array): BertInputs {
    const mask = Float32Array.from(attends, (attend) => (attend ? 0 : MASKED));
    return { rows: this.#embed(ids, positionIds), mask: tensor2d(mask, [ids.length, ids.length]) };
  }

  /** @returns The last hidden state, float32 [L, 768]. */
  forward({ rows, mask }: BertInputs): Tensor {
    return tidy(() => {
      let x = this.norm.forward(rows);
      for (const layer of this.layers) {
        const next = layer.forward(x, mask);
        x.dispose();
        x = next;
      }
      return x;
    });
  }

  #embed(ids: readonly number[], positionIds: Int32Array): Tensor2D {
    const rows = new Float32Array(ids.length * BERT_HIDDEN);
    for (const [i, id] of ids.entries()) {
      const [word, position] = [id * BERT_HIDDEN, positionIds[i]! * BERT_HIDDEN];
      for (let c = 0; c < BERT_HIDDEN; c++) {
        rows[i * BERT_HIDDEN + c] = this.words[word + c]! + this.positions[position + c]!;
      }
    }
    return tensor2d(rows, [ids.length, BERT_HIDDEN]);
  }
}
