import type { OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { DepthwiseConv } from '../nn/conv.js';
import { Linear } from '../nn/linear.js';
import { LayerNorm } from '../nn/norm.js';
import type { LayerSource } from '../nn/source.js';
import { EMBED, KEY_CHANNELS, VALUE_CHANNELS, WINDOW } from './config.js';
import type { KeyValue, LayerMemory } from './memory.js';

const SCALE = 1 / Math.sqrt(KEY_CHANNELS);

/** An attention's depth-wise convolution over the gated values, and its projection to both streams. */
class GatedOutput {
  private constructor(
    private readonly dwConv: DepthwiseConv,
    private readonly projection: (x: Tensor, residual: Tensor) => Tensor,
  ) {}

  static async load(source: LayerSource, key: string): Promise<GatedOutput> {
    const projection = await Linear.load(source, `${key}.projection`, 2 * VALUE_CHANNELS, 2 * EMBED);
    return new GatedOutput(await GatedOutput.#dwConv(source, key), (x, residual) =>
      projection.forward(x, { residual }),
    );
  }

  /** One whose residual has no ID stream yet: there the ID stream is what the projection gives. */
  static async loadFirst(source: LayerSource, key: string): Promise<GatedOutput> {
    const half = (first: number) =>
      Linear.load(source, `${key}.projection`, 2 * VALUE_CHANNELS, 2 * EMBED, { outputs: [first, EMBED] });
    const [visual, id] = [await half(0), await half(EMBED)];
    const projection = (x: Tensor, residual: Tensor) =>
      source.ops.linearConcat([
        { x, ...weightsOf(visual), residual },
        { x, ...weightsOf(id) },
      ]);
    return new GatedOutput(await GatedOutput.#dwConv(source, key), projection);
  }

  static #dwConv(source: LayerSource, key: string): Promise<DepthwiseConv> {
    return DepthwiseConv.load(source, `${key}.dw_conv.conv`, 2 * VALUE_CHANNELS, 5, { padding: 2, bias: false });
  }

  /** @param read Gated values, float32 [T, 1024]. @returns float32 [T, 512], `residual` added. */
  forward(read: Tensor, grid: { height: number; width: number }, residual: Tensor): Tensor {
    return tidy(() => {
      const mixed = this.dwConv.forward(reshape(read, [grid.height, grid.width, read.shape[1]!]));
      return this.projection(reshape(mixed, read.shape), residual);
    });
  }
}

const weightsOf = ({ weight, bias }: Linear) => ({ weight, bias });

/** The layers of a module, named as in the state dict. */
interface GatedLayers {
  norm1: LayerNorm;
  linearQ: Linear;
  linearV: Linear;
  linearU: Linear;
  linearIdU?: Linear;
  linearIdV: Linear;
  longTermAttn: GatedOutput;
  relativeEmbK: Linear;
  shortTermAttn: GatedOutput;
  norm2: LayerNorm;
  linearQK: Linear;
  linearV12: readonly [Linear, Linear];
  linearU12: readonly [Linear, Linear];
  selfAttn: GatedOutput;
}

/**
 * Gated propagation module (DeAOT, section 4.2; aot-benchmark `layers/transformer.py`, `GatedPropagationModule`): long-term
 * and short-term propagation of the visual and the ID stream with shared attention maps, then self-propagation.
 *
 * The two streams are one tensor [visual 256 | ID 256] throughout.
 */
export class GatedPropagation {
  private constructor(
    private readonly ops: OpSet,
    readonly first: boolean,
    private readonly layers: GatedLayers,
  ) {}

  static async load(source: LayerSource, index: number): Promise<GatedPropagation> {
    const key = `LSTT.layers.${index}`;
    const first = index === 0;
    const linear = (name: string, inputs: number, outputs: number) =>
      Linear.load(source, `${key}.${name}`, inputs, outputs);
    const queryValue = (outputs: readonly [number, number]) =>
      Linear.load(source, `${key}.linear_QV`, EMBED, KEY_CHANNELS + VALUE_CHANNELS, { outputs });
    const pair = async (name: string) =>
      [await linear(`${name}1`, EMBED, VALUE_CHANNELS), await linear(`${name}2`, EMBED, VALUE_CHANNELS)] as const;
    return new GatedPropagation(source.ops, first, {
      norm1: await LayerNorm.load(source, first ? `${key}.norm1` : [`${key}.norm1`, `${key}.id_norm1`], EMBED),
      linearQ: await queryValue([0, KEY_CHANNELS]),
      linearV: await queryValue([KEY_CHANNELS, VALUE_CHANNELS]),
      linearU: await linear('linear_U', EMBED, VALUE_CHANNELS),
      ...(!first && { linearIdU: await linear('linear_ID_U', EMBED, VALUE_CHANNELS) }),
      linearIdV: await linear('linear_ID_V', first ? EMBED : 2 * EMBED, VALUE_CHANNELS),
      longTermAttn: first
        ? await GatedOutput.loadFirst(source, `${key}.long_term_attn`)
        : await GatedOutput.load(source, `${key}.long_term_attn`),
      relativeEmbK: await Linear.load(source, `${key}.short_term_attn.relative_emb_k`, KEY_CHANNELS, WINDOW * WINDOW, {
        pointwise: true,
        paddedOutputs: Math.ceil((WINDOW * WINDOW) / 4) * 4,
      }),
      shortTermAttn: await GatedOutput.load(source, `${key}.short_term_attn`),
      norm2: await LayerNorm.load(source, [`${key}.norm2`, `${key}.id_norm2`], EMBED),
      linearQK: await linear('self_attn.linear_QK', 2 * EMBED, KEY_CHANNELS),
      linearV12: await pair('self_attn.linear_V'),
      linearU12: await pair('self_attn.linear_U'),
      selfAttn: await GatedOutput.load(source, `${key}.self_attn`),
    });
  }

  /**
   * ID values of a frame, `silu(linear_ID_V [e | E])`; the first layer sees the identity embedding only.
   *
   * @param idEmbedding float32 [T, 256].
   * @returns float32 [T, 512].
   */
  idValue(keyValue: KeyValue, idEmbedding: Tensor): Tensor {
    return tidy(() => {
      const x = keyValue.normalised
        ? this.ops.concatColumns([{ x: keyValue.normalised, columns: [EMBED, EMBED] }, { x: idEmbedding }])
        : idEmbedding;
      return this.layers.linearIdV.forward(x, { activation: 'silu' });
    });
  }

  /**
   * One layer over one frame.
   *
   * @param stream float32 [T, 512], visual and ID; [T, 256], visual only, in the first layer.
   * @param memory What to read from; given the layer's own keys and values, since a reference frame reads from itself.
   * @returns The new stream, float32 [T, 512], and what this frame's memory is made of.
   */
  forward(
    stream: Tensor,
    grid: { height: number; width: number },
    memory: (keyValue: KeyValue) => LayerMemory,
  ): { stream: Tensor; keyValue: KeyValue } {
    const { ops, layers, first } = this;
    const normalised = layers.norm1.forward(stream);
    const visual = first ? {} : { aColumns: [0, EMBED] as const };
    const key = layers.linearQ.forward(normalised, visual);
    const value = layers.linearV.forward(normalised, { activation: 'silu', ...visual });
    const gate = layers.linearU.forward(normalised, { activation: 'silu', ...visual });
    const idGate = layers.linearIdU?.forward(normalised, { activation: 'silu', aColumns: [EMBED, EMBED] });
    const keyValue: KeyValue = { key, value, normalised: first ? undefined : normalised };
    const { long, short } = memory(keyValue);

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
    const relative = layers.relativeEmbK.forward(key);
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
    const afterLong = layers.longTermAttn.forward(longRead, grid, stream);
    const propagated = layers.shortTermAttn.forward(shortRead, grid, afterLong);
    for (const t of [gate, idGate, relative, longRead, shortRead, afterLong]) t?.dispose();

    const z = layers.norm2.forward(propagated);
    const selfKey = layers.linearQK.forward(z);
    const halves = (parts: readonly [Linear, Linear]) =>
      ops.linearConcat(
        parts.map((part, i) => ({
          x: z,
          ...weightsOf(part),
          activation: 'silu' as const,
          xColumns: [i * EMBED, EMBED] as const,
        })),
      );
    const selfValue = halves(layers.linearV12);
    const selfGate = halves(layers.linearU12);
    const selfKeys = ops.transpose(selfKey, { padded: true });
    const selfRead = ops.gatedAttention({
      query: selfKey,
      keys: selfKeys,
      validKeys: selfKey.shape[0]!,
      scale: SCALE,
      values: [{ tensor: selfValue, gate: selfGate }],
    });
    const out = layers.selfAttn.forward(selfRead, grid, propagated);
    for (const t of [z, selfKey, selfValue, selfGate, selfKeys, selfRead, propagated]) t.dispose();
    if (first) normalised.dispose();
    return { stream: out, keyValue };
  }
}
