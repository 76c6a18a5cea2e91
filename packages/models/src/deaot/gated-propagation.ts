import type { OpSet } from '@samtrack/kernels';
import { dispose, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import type { WeightReader } from '../checkpoint/index.js';
import { type Affine, type Linear, loadAffine, loadDepthwise, loadLinear } from '../nn/parameters.js';
import { EMBED, KEY_CHANNELS, VALUE_CHANNELS, WINDOW } from './config.js';
import type { LayerMemory } from './memory.js';

const SCALE = 1 / Math.sqrt(KEY_CHANNELS);

/** What a layer computes of a frame and later needs to remember it. */
export interface Seed {
  /** Queries, which are the keys too: float32 [T, 128]. */
  key: Tensor;
  /** Visual values, float32 [T, 512]. */
  value: Tensor;
  /** Normalised ID stream, as [normalised visual | ID] in float32 [T, 512]; missing in the first layer. */
  normalised?: Tensor;
}

/**
 * Gated propagation module (DeAOT, section 4.2; aot-benchmark `layers/transformer.py`, `GatedPropagationModule`): long-term
 * and short-term propagation of the visual and the ID stream with shared attention maps, then self-propagation.
 *
 * The two streams are one tensor [visual 256 | ID 256] throughout.
 */
export class GatedPropagation {
  private constructor(
    readonly first: boolean,
    private readonly ops: OpSet,
    private readonly p: {
      norm1: Affine;
      query: Linear;
      value: Linear;
      gate: Linear;
      idGate?: Linear;
      idValue: Linear;
      longDepthwise: Tensor;
      long: Linear | readonly [Linear, Linear];
      relative: Linear;
      shortDepthwise: Tensor;
      short: Linear;
      norm2: Affine;
      selfKey: Linear;
      selfValue: readonly [Linear, Linear];
      selfGate: readonly [Linear, Linear];
      selfDepthwise: Tensor;
      self: Linear;
    },
  ) {}

  static async load(weights: WeightReader, index: number, ops: OpSet): Promise<GatedPropagation> {
    const key = `LSTT.layers.${index}`;
    const first = index === 0;
    const wide = 2 * VALUE_CHANNELS;
    const linear = (name: string, inputs: number, outputs: number) =>
      loadLinear(weights, `${key}.${name}`, inputs, outputs);
    const queryValue = (outputs: readonly [number, number]) =>
      loadLinear(weights, `${key}.linear_QV`, EMBED, KEY_CHANNELS + VALUE_CHANNELS, { outputs });
    const depthwise = (name: string) => loadDepthwise(weights, `${key}.${name}.dw_conv.conv`, wide, 5);
    return new GatedPropagation(first, ops, {
      norm1: await loadAffine(weights, first ? [`${key}.norm1`] : [`${key}.norm1`, `${key}.id_norm1`], EMBED),
      query: await queryValue([0, KEY_CHANNELS]),
      value: await queryValue([KEY_CHANNELS, VALUE_CHANNELS]),
      gate: await linear('linear_U', EMBED, VALUE_CHANNELS),
      idGate: first ? undefined : await linear('linear_ID_U', EMBED, VALUE_CHANNELS),
      idValue: await linear('linear_ID_V', first ? EMBED : 2 * EMBED, VALUE_CHANNELS),
      longDepthwise: await depthwise('long_term_attn'),
      long: first
        ? [
            await loadLinear(weights, `${key}.long_term_attn.projection`, wide, 2 * EMBED, { outputs: [0, EMBED] }),
            await loadLinear(weights, `${key}.long_term_attn.projection`, wide, 2 * EMBED, { outputs: [EMBED, EMBED] }),
          ]
        : await linear('long_term_attn.projection', wide, 2 * EMBED),
      relative: await loadLinear(weights, `${key}.short_term_attn.relative_emb_k`, KEY_CHANNELS, WINDOW * WINDOW, {
        pointwise: true,
        paddedOutputs: Math.ceil((WINDOW * WINDOW) / 4) * 4,
      }),
      shortDepthwise: await depthwise('short_term_attn'),
      short: await linear('short_term_attn.projection', wide, 2 * EMBED),
      norm2: await loadAffine(weights, [`${key}.norm2`, `${key}.id_norm2`], EMBED),
      selfKey: await linear('self_attn.linear_QK', 2 * EMBED, KEY_CHANNELS),
      selfValue: [
        await linear('self_attn.linear_V1', EMBED, VALUE_CHANNELS),
        await linear('self_attn.linear_V2', EMBED, VALUE_CHANNELS),
      ],
      selfGate: [
        await linear('self_attn.linear_U1', EMBED, VALUE_CHANNELS),
        await linear('self_attn.linear_U2', EMBED, VALUE_CHANNELS),
      ],
      selfDepthwise: await depthwise('self_attn'),
      self: await linear('self_attn.projection', wide, 2 * EMBED),
    });
  }

  /**
   * ID values of a frame, `silu(linear_ID_V [e | E])`; the first layer sees the identity embedding only.
   *
   * @param idEmbedding float32 [T, 256].
   * @returns float32 [T, 512].
   */
  idValue(seed: Seed, idEmbedding: Tensor): Tensor {
    const { weight, bias } = this.p.idValue;
    return tidy(() => {
      const x = seed.normalised
        ? this.ops.concatColumns([{ x: seed.normalised, columns: [EMBED, EMBED] }, { x: idEmbedding }])
        : idEmbedding;
      return this.ops.gemm(x, weight, { bias, activation: 'silu' });
    });
  }

  /**
   * One layer over one frame.
   *
   * @param stream float32 [T, 512], visual and ID; [T, 256], visual only, in the first layer.
   * @param memory What to read from; given the layer's own seed, since a reference frame reads from itself.
   * @returns The new stream, float32 [T, 512], and the seed of this frame's memory.
   */
  forward(
    stream: Tensor,
    grid: { height: number; width: number },
    memory: (seed: Seed) => LayerMemory,
  ): { stream: Tensor; seed: Seed } {
    const { ops, p, first } = this;
    const normalised = ops.layerNorm(stream, p.norm1.weight, p.norm1.bias, { groups: first ? 1 : 2 });
    const visual = first ? {} : { aColumns: [0, EMBED] as const };
    const key = ops.gemm(normalised, p.query.weight, { bias: p.query.bias, ...visual });
    const value = ops.gemm(normalised, p.value.weight, { bias: p.value.bias, activation: 'silu', ...visual });
    const gate = ops.gemm(normalised, p.gate.weight, { bias: p.gate.bias, activation: 'silu', ...visual });
    const idGate = p.idGate
      ? ops.gemm(normalised, p.idGate.weight, { bias: p.idGate.bias, activation: 'silu', aColumns: [EMBED, EMBED] })
      : undefined;
    const seed: Seed = { key, value, normalised: first ? undefined : normalised };
    const { long, short } = memory(seed);

    const longRead = ops.gatedAttention({
      query: key,
      keys: long.keys,
      validKeys: long.tokens,
      scale: SCALE,
      values: [
        { tensor: long.value, gate },
        { tensor: long.idValue, gate: idGate },
      ],
    });
    const relative = ops.gemm(key, p.relative.weight, { bias: p.relative.bias });
    const shortRead = ops.localGatedAttention({
      ...grid,
      window: WINDOW,
      query: key,
      key: short.key,
      relative,
      scale: SCALE,
      values: [
        { tensor: short.value, gate },
        { tensor: short.idValue, gate: idGate },
      ],
    });
    const afterLong = this.project(longRead, p.longDepthwise, p.long, grid, stream);
    const propagated = this.project(shortRead, p.shortDepthwise, p.short, grid, afterLong);
    for (const t of [gate, idGate, relative, longRead, shortRead, afterLong]) t?.dispose();

    const z = ops.layerNorm(propagated, p.norm2.weight, p.norm2.bias, { groups: 2 });
    const selfKey = ops.gemm(z, p.selfKey.weight, { bias: p.selfKey.bias });
    const halves = (parts: readonly [Linear, Linear]) =>
      ops.linearConcat(
        parts.map(({ weight, bias }, i) => ({
          x: z,
          weight,
          bias,
          activation: 'silu' as const,
          xColumns: [i * EMBED, EMBED] as const,
        })),
      );
    const selfValue = halves(p.selfValue);
    const selfGate = halves(p.selfGate);
    const selfKeys = ops.transpose(selfKey, { padded: true });
    const selfRead = ops.gatedAttention({
      query: selfKey,
      keys: selfKeys,
      validKeys: selfKey.shape[0]!,
      scale: SCALE,
      values: [{ tensor: selfValue, gate: selfGate }],
    });
    const out = this.project(selfRead, p.selfDepthwise, p.self, grid, propagated);
    for (const t of [z, selfKey, selfValue, selfGate, selfKeys, selfRead, propagated]) t.dispose();
    if (first) normalised.dispose();
    return { stream: out, seed };
  }

  /**
   * Depth-wise 5x5 over the gated values, then the joint projection to both streams, added to `residual`. A pair of
   * projections is for a residual that has no ID stream yet: there the ID stream is what the projection gives.
   */
  private project(
    read: Tensor,
    depthwise: Tensor,
    projection: Linear | readonly [Linear, Linear],
    grid: { height: number; width: number },
    residual: Tensor,
  ): Tensor {
    const { ops } = this;
    return tidy(() => {
      const [tokens, channels] = read.shape as [number, number];
      const mixed = ops.depthwiseConv(reshape(read, [grid.height, grid.width, channels]), depthwise, { padding: 2 });
      const x = reshape(mixed, [tokens, channels]);
      if (isPair(projection)) {
        const [visual, id] = projection;
        return ops.linearConcat([
          { x, ...visual, residual },
          { x, ...id },
        ]);
      }
      return ops.gemm(x, projection.weight, { bias: projection.bias, residual });
    });
  }

  dispose(): void {
    dispose(this.p as never);
  }
}

const isPair = <T extends object>(value: T | readonly [T, T]): value is readonly [T, T] => Array.isArray(value);
