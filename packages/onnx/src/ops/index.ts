import type { OpSet } from '@samtrack/kernels';
import type { Host } from '../host.js';
import type { OnnxTrace } from '../trace.js';
import { attentionOps } from './attention-ops.js';
import { detectionOps } from './detection-ops.js';
import { idEmbedding } from './id-embedding.js';
import { imageOps } from './image-ops.js';
import { matrixOps } from './matrix-ops.js';

/** The operations that networks are written in, as nodes of the graph in the making. */
export const graphOps = (trace: OnnxTrace): Omit<OpSet, 'idEmbedding'> => ({
  ...matrixOps(trace),
  ...imageOps(trace),
  ...attentionOps(trace),
  ...detectionOps(trace),
});

/** The same for the engine, with what a CPU does better by itself. */
export const onnxOps = (host: Host, trace: OnnxTrace): OpSet => ({
  ...graphOps(trace),
  idEmbedding: idEmbedding(host),
});
