import { getEngine, type OpSet } from '@samtrack/kernels';
import { div, maximum, norm, reshape, type Tensor, tidy } from '@tensorflow/tfjs-core';
import { type Checkpoint, WeightReader } from '../checkpoint/index.js';
import type { LoadOptions } from '../deaot/model.js';
import { MobileNetV2Trunk } from '../encoders/index.js';

/** Channels of the map at stride 16. */
export const FEATURES = 96;

/** Norms below this count as this, as in PyTorch's `normalize`. */
const LEAST_NORM = 1e-12;

/**
 * What label propagation matches: unit vectors from the map of a MobileNetV2 at stride 16 (`features.13`, 96 channels).
 * Any checkpoint with `encoder.features.*` of a MobileNetV2 will do. In the weights that come with SAMTrack these layers
 * are ImageNet's, so that nothing in this tracker was ever trained on video.
 */
export class LabelPropagationModel {
  private constructor(
    readonly ops: OpSet,
    private readonly trunk: MobileNetV2Trunk,
    private readonly owned: { dispose(): void },
  ) {}

  /** @throws CheckpointError naming the key that is missing, misshapen or not finite. */
  static async load(checkpoint: Checkpoint, options: LoadOptions = {}): Promise<LabelPropagationModel> {
    const { ops = getEngine().ops, signal, onProgress } = options;
    return WeightReader.load(checkpoint, { signal }, async (weights) => {
      const trunk = await MobileNetV2Trunk.load(weights, 'encoder.', ops);
      onProgress?.(1);
      return new LabelPropagationModel(ops, trunk, weights.handOver());
    });
  }

  /**
   * @param image float32 [H, W, 4], normalised, the fourth channel zero; sides 16 n + 1.
   * @returns float32 [T, 96], a unit vector a token.
   */
  encode(image: Tensor): Tensor {
    return tidy(() => {
      const map = reshape(this.trunk.forward(image), [-1, FEATURES]);
      return div(map, maximum(norm(map, 'euclidean', 1, true), LEAST_NORM));
    });
  }

  dispose(): void {
    this.owned.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
