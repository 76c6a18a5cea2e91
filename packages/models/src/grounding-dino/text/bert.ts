import type { OpSet } from '@samtrack/kernels';
import { dispose, type Tensor, type Tensor2D, tensor, tensor2d, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadLinear } from '../../nn/parameters.js';
import { BERT_HIDDEN, MAX_TEXT_TOKENS } from '../config.js';

const HEADS = 12;
const FFN_HIDDEN = 3072;
const VOCABULARY = 30_522;
const POSITIONS = 512;
const EPS = 1e-12;
/** Added where a token may not look; finite, since WGSL may assume that there are no infinities. */
const MASKED = -1e30;

/** Rows of the query, key and value projections side by side, so that one product computes them. */
async function loadPackedProjection(weights: WeightReader, key: string): Promise<Linear> {
  const joint = new Float32Array(3 * BERT_HIDDEN * BERT_HIDDEN);
  const bias = new Float32Array(3 * BERT_HIDDEN);
  for (const [i, name] of ['query', 'key', 'value'].entries()) {
    const weight = await weights.take(`${key}.${name}.weight`, [BERT_HIDDEN, BERT_HIDDEN]);
    for (let o = 0; o < BERT_HIDDEN; o++) {
      for (let c = 0; c < BERT_HIDDEN; c++) joint[(c * 3 + i) * BERT_HIDDEN + o] = weight[o * BERT_HIDDEN + c]!;
    }
    bias.set(await weights.take(`${key}.${name}.bias`, [BERT_HIDDEN]), i * BERT_HIDDEN);
  }
  return {
    weight: weights.own(tensor(joint, [BERT_HIDDEN, 3 * BERT_HIDDEN])),
    bias: weights.own(tensor(bias)),
  };
}

/** Self-attention and a two-layer perceptron, each followed by its normalisation. */
class BertLayer {
  private constructor(
    private readonly ops: OpSet,
    private readonly p: {
      projection: Linear;
      out: Linear;
      attentionNorm: Affine;
      fc1: Linear;
      fc2: Linear;
      norm: Affine;
    },
  ) {}

  static async load(weights: WeightReader, key: string, ops: OpSet): Promise<BertLayer> {
    return new BertLayer(ops, {
      projection: await loadPackedProjection(weights, `${key}.attention.self`),
      out: await loadLinear(weights, `${key}.attention.output.dense`, BERT_HIDDEN, BERT_HIDDEN),
      attentionNorm: await loadAffine(weights, [`${key}.attention.output.LayerNorm`], BERT_HIDDEN),
      fc1: await loadLinear(weights, `${key}.intermediate.dense`, BERT_HIDDEN, FFN_HIDDEN),
      fc2: await loadLinear(weights, `${key}.output.dense`, FFN_HIDDEN, BERT_HIDDEN),
      norm: await loadAffine(weights, [`${key}.output.LayerNorm`], BERT_HIDDEN),
    });
  }

  /** @param x float32 [L, 768]. @param mask Added to the attention logits, float32 [L, L]. */
  forward(x: Tensor, mask: Tensor): Tensor {
    const { ops } = this;
    const { projection, out, attentionNorm, fc1, fc2, norm } = this.p;
    return tidy(() => {
      const joint = ops.gemm(x, projection.weight, { bias: projection.bias });
      const mixed = ops.multiHeadAttention(joint, joint, joint, {
        heads: HEADS,
        mask,
        channels: BERT_HIDDEN,
        keyColumn: BERT_HIDDEN,
        valueColumn: 2 * BERT_HIDDEN,
      });
      const attended = ops.layerNorm(
        ops.gemm(mixed, out.weight, { bias: out.bias, residual: x }),
        attentionNorm.weight,
        attentionNorm.bias,
        { eps: EPS },
      );
      const hidden = ops.gemm(attended, fc1.weight, { bias: fc1.bias, activation: 'gelu' });
      return ops.layerNorm(
        ops.gemm(hidden, fc2.weight, { bias: fc2.bias, residual: attended }),
        norm.weight,
        norm.bias,
        { eps: EPS },
      );
    });
  }

  dispose(): void {
    for (const layer of Object.values(this.p)) dispose({ ...layer });
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
    private readonly ops: OpSet,
    /** Stays on the CPU, 94 MB: a caption needs 256 of its rows at most. */
    private readonly words: Float32Array,
    /** Position and token type, [256, 768]. */
    private readonly positions: Float32Array,
    private readonly norm: Affine,
    private readonly layers: readonly BertLayer[],
  ) {}

  /**
   * @param prefix What stands before `embeddings` in the keys.
   * @param depth Number of layers; 12 in the published models.
   */
  static async load(weights: WeightReader, prefix: string, depth: number, ops: OpSet): Promise<Bert> {
    const key = `${prefix}embeddings`;
    const words = await weights.take(`${key}.word_embeddings.weight`, [VOCABULARY, BERT_HIDDEN]);
    const allPositions = await weights.take(`${key}.position_embeddings.weight`, [POSITIONS, BERT_HIDDEN]);
    const types = await weights.take(`${key}.token_type_embeddings.weight`, [2, BERT_HIDDEN]);
    const positions = allPositions.slice(0, MAX_TEXT_TOKENS * BERT_HIDDEN);
    for (let i = 0; i < positions.length; i++) positions[i]! += types[i % BERT_HIDDEN]!;
    const norm = await loadAffine(weights, [`${key}.LayerNorm`], BERT_HIDDEN);
    const layers: BertLayer[] = [];
    for (let i = 0; i < depth; i++) layers.push(await BertLayer.load(weights, `${prefix}encoder.layer.${i}`, ops));
    return new Bert(ops, words, positions, norm, layers);
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
    const { ops, norm } = this;
    return tidy(() => {
      let x: Tensor = ops.layerNorm(rows, norm.weight, norm.bias, { eps: EPS });
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

  dispose(): void {
    dispose({ ...this.norm });
    for (const layer of this.layers) layer.dispose();
  }
}
