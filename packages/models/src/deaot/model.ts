import { getEngine, type IdBank, makeIdBank, type OpSet } from '@samtrack/kernels';
import { reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, CheckpointError, WeightReader } from '../checkpoint/index.js';
import { type Encoder, loadEncoder } from '../encoders/index.js';
import { Conv2d } from '../nn/conv.js';
import { GroupNorm, LayerNorm } from '../nn/norm.js';
import { convLayout } from '../nn/parameters.js';
import type { LayerSource } from '../nn/source.js';
import { tidyAll } from '../nn/tidy.js';
import { type Size, tokenGrid } from '../tracking/index.js';
import { type DeAotConfig, EMBED, GROUP_OBJECTS } from './config.js';
import { FpnDecoder } from './decoder.js';
import { GatedPropagation } from './gated-propagation.js';
import type { KeyValue, LayerMemory } from './memory.js';

/** What the encoder makes of a frame; shared by all groups of objects. */
export interface FrameFeatures {
  /** At stride 4, float32 [h4, w4, channels]. */
  f4: Tensor;
  /** At stride 8, float32 [h8, w8, channels]. */
  f8: Tensor;
  /** At stride 16, float32 [h16, w16, channels]. */
  f16: Tensor;
  /** Projected tokens, float32 [T, 256]. */
  tokens: Tensor;
  grid: Size;
}

/** Options of `DeAot.load`. */
export interface LoadOptions {
  /** The operations to build on; the hand-written kernels by default. */
  ops?: OpSet | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share of the weights that is loaded, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** Keys that checkpoints may hold and the network does not need. */
const IGNORED_KEYS = [/\.num_batches_tracked$/, /\.relative_position_index$/];

/**
 * DeAOT (Yang and Yang, "Decoupling Features in Hierarchical Propagation for Video Object Segmentation", NeurIPS 2022;
 * aot-benchmark, `models/deaot.py`). The network only: memory is handed in, and what to do with a video is the tracker's.
 */
export class DeAot {
  private constructor(
    readonly config: DeAotConfig,
    readonly ops: OpSet,
    /** Keys of the checkpoint that the network does not know. */
    readonly unexpectedKeys: readonly string[],
    private readonly parts: {
      encoder: Encoder;
      encoderProjector: Conv2d;
      layers: readonly GatedPropagation[];
      decoderNorm: GroupNorm;
      decoder: FpnDecoder;
      idBank: IdBank;
      idNorm: LayerNorm;
    },
    private readonly owned: { dispose(): void },
  ) {}

  /**
   * Loads a model from a checkpoint with the official keys.
   * @throws CheckpointError naming the key that is missing, misshapen or not finite.
   */
  static async load(checkpoint: Checkpoint, config: DeAotConfig, options: LoadOptions = {}): Promise<DeAot> {
    if (checkpoint.has('LSTT.mask_token')) {
      throw new CheckpointError('wrong-architecture', 'these are weights of AOT, the predecessor of DeAOT', {
        file: checkpoint.file,
      });
    }
    const { signal } = options;
    return WeightReader.load(checkpoint, { signal }, (weights) => DeAot.#read(weights, config, options));
  }

  static async #read(weights: WeightReader, config: DeAotConfig, options: LoadOptions): Promise<DeAot> {
    const { ops = getEngine().ops, onProgress } = options;
    const source: LayerSource = { weights, ops };
    const progress = (done: number) => onProgress?.(done / (config.layers + 3));
    const encoder = await loadEncoder(config.encoder, weights, 'encoder.', ops);
    progress(1);
    const layers: GatedPropagation[] = [];
    for (let i = 0; i < config.layers; i++) {
      layers.push(await GatedPropagation.load(source, i));
      progress(2 + i);
    }
    const decoder = await FpnDecoder.load(source, config);
    progress(config.layers + 2);
    const { kernel } = config.idBank;
    const classes = GROUP_OBJECTS + 1;
    const bankShape = [EMBED, classes, kernel, kernel] as const;
    const bank = convLayout(await weights.take('patch_wise_id_bank.weight', bankShape), bankShape);
    const bankBias = await weights.take('patch_wise_id_bank.bias', [EMBED]);
    const parts = {
      encoder,
      encoderProjector: await Conv2d.loadPointwise(source, 'encoder_projector', config.channels[3], EMBED),
      layers,
      decoderNorm: await GroupNorm.load(source, 'LSTT.decoder_norms.0.gn', 2 * EMBED, 2),
      decoder,
      idBank: makeIdBank(bank, bankBias, kernel, classes),
      idNorm: await LayerNorm.load(source, 'id_norm', EMBED),
    };
    for (const tensor of Object.values(parts.idBank)) weights.own(tensor);
    progress(config.layers + 3);
    return new DeAot(config, ops, weights.finish(IGNORED_KEYS), parts, weights.handOver());
  }

  /**
   * Encodes a frame.
   * @param image float32 [H, W, 4], normalised, the fourth channel zero; H and W as `networkSize` gives them.
   */
  encode(image: Tensor): FrameFeatures {
    const size = { height: image.shape[0]!, width: image.shape[1]! };
    const grid = tokenGrid(size, this.config.alignCorners);
    return tidyAll(() => {
      const { encoder, encoderProjector } = this.parts;
      const { f4, f8, f16, last } = encoder.forward(image);
      const tokens = reshape(encoderProjector.forward(last), [grid.height * grid.width, EMBED]);
      return { f4, f8, f16, tokens, grid };
    });
  }

  /**
   * Identity embedding of a label map for one group of ten objects.
   * @param labels int32 [H, W], at any size; ids beyond the group count as background.
   * @param size Network input size.
   * @returns float32 [T, 256].
   */
  embedIds(labels: Tensor, size: Size, group: number): Tensor {
    const { stride, padding } = this.config.idBank;
    const { idBank, idNorm } = this.parts;
    return tidy(() => {
      const embedding = this.ops.idEmbedding(labels, idBank, {
        ...size,
        stride,
        padding,
        firstId: group * GROUP_OBJECTS + 1,
      });
      return idNorm.forward(embedding);
    });
  }

  /**
   * Runs the propagation modules over a frame.
   * @param memory What layer `i` reads from, given its keys and values of this very frame.
   * @param onLayer Sees the stream after each layer, the last one normalised.
   * @returns The normalised streams, float32 [h16, w16, 512], and each layer's keys and values.
   */
  propagate(
    features: FrameFeatures,
    memory: (layer: number, keyValue: KeyValue) => LayerMemory,
    onLayer?: (layer: number, stream: Tensor) => void,
  ): { out: Tensor; keyValues: KeyValue[] } {
    const { grid } = features;
    const { layers, decoderNorm } = this.parts;
    const keyValues: KeyValue[] = [];
    let stream = features.tokens;
    for (const [i, layer] of layers.entries()) {
      const next = layer.forward(stream, grid, (keyValue) => memory(i, keyValue));
      if (i > 0) stream.dispose();
      stream = next.stream;
      keyValues.push(next.keyValue);
      if (i + 1 < layers.length) onLayer?.(i, stream);
    }
    const out = tidy(() => reshape(decoderNorm.forward(stream), [grid.height, grid.width, 2 * EMBED]));
    stream.dispose();
    onLayer?.(layers.length - 1, out);
    return { out, keyValues };
  }

  /** ID values of a frame for a layer's memory, float32 [T, 512]. */
  idValue(layer: number, keyValue: KeyValue, idEmbedding: Tensor): Tensor {
    return this.parts.layers[layer]!.idValue(keyValue, idEmbedding);
  }

  /** Logits of one group at stride 4, float32 [h4, w4, 12]. */
  decode(propagated: Tensor, features: FrameFeatures): Tensor {
    return this.parts.decoder.forward(propagated, features);
  }

  dispose(): void {
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
