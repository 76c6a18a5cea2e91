import type { Manifest, ManifestTensor } from '@samtrack/models';

type Shape = readonly number[];

/**
 * Weights as a recipe with the official keys and shapes: a benchmark needs no download, since speed does not depend on
 * what a network has learned. Scales keep activations finite: convolutions and linear layers sqrt(3 / inputs), which
 * preserves variance, and a little more in front of activations.
 */
export class Recipe {
  readonly #tensors: ManifestTensor[] = [];

  constructor(private readonly seed = 7) {}

  uniform(name: string, shape: Shape, scale: number, offset = 0): void {
    this.#tensors.push({ name, shape: [...shape], scale, offset });
  }

  /** A tensor that shares the storage of another. */
  alias(name: string, alias: string): void {
    this.#tensors.push({ name, alias });
  }

  weight(name: string, shape: Shape, gain = 1): void {
    const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
    this.uniform(`${name}.weight`, shape, gain * Math.sqrt(3 / fanIn));
  }

  /** A linear layer or a convolution with a bias. */
  layer(name: string, shape: Shape, gain = 1): void {
    this.weight(name, shape, gain);
    this.uniform(`${name}.bias`, [shape[0]!], 0.1);
  }

  norm(name: string, channels: number): void {
    this.uniform(`${name}.weight`, [channels], 0.2, 1);
    this.uniform(`${name}.bias`, [channels], 0.1);
  }

  /** A convolution and the batch normalisation after it. */
  convNorm(conv: string, batchNorm: string, shape: Shape, gain = 1.35): void {
    this.weight(conv, shape, gain);
    this.norm(batchNorm, shape[0]!);
    this.uniform(`${batchNorm}.running_mean`, [shape[0]!], 0.1);
    this.uniform(`${batchNorm}.running_var`, [shape[0]!], 0.3, 1);
  }

  get manifest(): Manifest {
    return { seed: this.seed, tensors: this.#tensors };
  }
}
