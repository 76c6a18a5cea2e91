import { fusedOps, type OpSet } from '@samtrack/kernels';
import { attentionOps } from './attention-ops.js';
import { detectionOps } from './detection-ops.js';
import { imageOps } from './image-ops.js';
import { matrixOps } from './matrix-ops.js';
import { OnnxTrace, OnnxTraceError } from './trace.js';

/**
 * Operations that compute nothing and write down an ONNX graph instead: a network built on `tracer.ops` and run once
 * leaves its graph, with its weights, in `tracer.graph`. The graph is what an exporter gives: one node an operation,
 * nothing fused, so that ONNX Runtime's own optimisations apply.
 */
export class OnnxTracer extends OnnxTrace {
  readonly ops: OpSet = {
    ...untranslated,
    ...matrixOps(this),
    ...imageOps(this),
    ...attentionOps(this),
    ...detectionOps(this),
  };
}

const untranslated = Object.fromEntries(
  Object.keys(fusedOps).map((name) => [
    name,
    (): never => {
      throw new OnnxTraceError(`"${name}" has no translation to ONNX yet.`);
    },
  ]),
) as unknown as OpSet;
