import type { OpSet } from '@samtrack/kernels';
import type { Manifest } from '@samtrack/models';
import type { Tensor } from '@tensorflow/tfjs-core';
import type { OrtInput } from '../onnx/session.js';

/** A network that runs once an image, to be timed against others. */
export interface Network {
  /** Name and input size, `sam-vit-b@1024x1024`. */
  readonly name: string;
  /** Multiplications and additions of the published network for this input. */
  readonly flops: number;
  /** The recipe of its procedural weights. */
  weights(): Manifest;
  /** What changes from run to run; created once, for all sets of operations. */
  makeInputs(): Promise<NetworkInputs>;
  /** The network with procedural weights on a set of operations. */
  load(ops: OpSet): Promise<LoadedNetwork>;
}

export interface NetworkInputs {
  /** float32 [H, W, channels], of which ONNX gets the first three; missing where a network starts from features. */
  readonly image?: Tensor;
  /** Rows of features. */
  readonly rows: Readonly<Record<string, Tensor>>;
}

export interface LoadedNetwork {
  /**
   * @param onPart Called when the work of a part of the network is recorded, with its arithmetic where that is known.
   * @returns The result, which the caller disposes: rows or an image.
   */
  run(inputs: NetworkInputs, onPart?: (name: string, flops?: number) => void): Promise<Tensor>;
  /**
   * What the last run decided on the CPU: constants of a traced graph, inputs of an exported one, which would otherwise
   * decide otherwise where values almost tie.
   */
  decisions?(): Readonly<Record<string, OrtInput>>;
  dispose(): void;
}
