import type { Manifest } from '@samtrack/models';
import type { OnnxModel, OrtInput } from './session.js';

/** A graph that ONNX Runtime runs in place of a network. */
export interface BaselineGraph extends OnnxModel {
  /** Where it comes from: `traced`, or `pytorch 2.15.0`. */
  readonly graph: string;
  readonly feeds: Readonly<Record<string, OrtInput>>;
  /** From what the graph gives to what the network gives. */
  fromOnnx(outputs: Readonly<Record<string, Float32Array>>): Float32Array;
}

/** What a benchmark expects of a graph. */
export interface GraphRequest {
  /** `deaot-t@480x854`. */
  readonly benchmark: string;
  /** All of the graph's inputs; images are [1, C, H, W], everything else rows. */
  readonly feeds: Readonly<Record<string, OrtInput>>;
  /** The output that is compared, and how many values it has. */
  readonly output: { readonly name: string; readonly size: number };
  /** The weights that the graph must have, too. */
  readonly weights: Manifest;
}

/** Graphs that were exported from other implementations. */
export interface ExportedGraphs {
  /** @throws ExternalGraphError where there is none for the benchmark, or it is another than the benchmark expects */
  open(request: GraphRequest): Promise<BaselineGraph>;
}
