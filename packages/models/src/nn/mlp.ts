import type { Activation, OpSet } from '@samtrack/kernels';
import { type Tensor, tidy } from '@tensorflow/tfjs-core';
import { Linear } from './linear.js';
import type { LayerSource } from './source.js';

/** Two linear layers with an activation between them: the perceptron of a transformer's block. */
export class Mlp {
  constructor(
    private readonly ops: OpSet,
    private readonly fc1: Linear,
    private readonly fc2: Linear,
    private readonly activation: Activation,
  ) {}

  /** @param keys Of the two layers. */
  static async load(
    source: LayerSource,
    [fc1, fc2]: readonly [fc1: string, fc2: string],
    channels: number,
    hidden: number,
    activation: Activation,
  ): Promise<Mlp> {
    return new Mlp(
      source.ops,
      await Linear.load(source, fc1, channels, hidden),
      await Linear.load(source, fc2, hidden, channels),
      activation,
    );
  }

  /** @param x float32 [T, channels], for any number of tokens: hidden values exist for a block of them at a time. */
  forward(x: Tensor, residual?: Tensor): Tensor {
    return this.ops.feedForward(x, this.fc1, this.fc2, { activation: this.activation, residual });
  }
}

/** Linear layers with a ReLU between each two. */
export class Perceptron {
  private constructor(private readonly layers: readonly Linear[]) {}

  /** Reads `key.layers.0`, `key.layers.1`, ... with these widths. */
  static async load(source: LayerSource, key: string, widths: readonly number[]): Promise<Perceptron> {
    const layers: Linear[] = [];
    for (let i = 0; i + 1 < widths.length; i++) {
      layers.push(await Linear.load(source, `${key}.layers.${i}`, widths[i]!, widths[i + 1]!));
    }
    return new Perceptron(layers);
  }

  /**
   * @param x float32 [T, in].
   * @param options.part Which of several inputs that stand side by side in the rows of `x`; the only one by default.
   */
  forward(x: Tensor, { part }: { part?: number } = {}): Tensor {
    const last = this.layers.length - 1;
    const [inputs] = this.layers[0]!.weight.shape as [number, number];
    const aColumns = part === undefined ? undefined : ([part * inputs, inputs] as const);
    return tidy(() =>
      this.layers.reduce(
        (hidden, layer, i) =>
          layer.forward(hidden, { activation: i < last ? 'relu' : 'none', ...(i === 0 && { aColumns }) }),
        x,
      ),
    );
  }
}
