import { defineKernel, type Kernel } from '../../dispatch/kernel.js';
import { ACTIVATION_INCLUDES } from '../activation/index.js';
import bindingsWgsl from './bindings.wgsl';
import broadcastWgsl from './broadcast.wgsl';
import convGeometryWgsl from './conv-geometry.wgsl';
import epilogueWgsl from './epilogue.wgsl';
import epilogueBindingsWgsl from './epilogue-bindings.wgsl';
import operandsWgsl from './operands.wgsl';
import { type MatmulVariant, SPLIT_TILE, VECTOR_TILES } from './select.js';
import splitMergeWgsl from './split-merge.wgsl';
import subgroupMatrixWgsl from './subgroup-matrix.wgsl';
import tiledWgsl from './tiled.wgsl';
import vectorEpilogueWgsl from './vector-epilogue.wgsl';
import vectorLoadAWgsl from './vector-load-a.wgsl';
import vectorOperandsWgsl from './vector-operands.wgsl';
import vectorTiledWgsl from './vector-tiled.wgsl';

/** The kernels of an operation that is a matrix product. `merge` adds up the parts of `split-k`. */
export type MatmulKernels = Readonly<Record<MatmulVariant | 'merge', Kernel>>;

const EPILOGUE = ['bias', 'gate', 'residual'];
const VECTORS = {
  ...ACTIVATION_INCLUDES,
  'epilogue-bindings': epilogueBindingsWgsl,
  'vector-epilogue': vectorEpilogueWgsl,
};
const VECTOR_OPERANDS = {
  ...VECTORS,
  bindings: bindingsWgsl,
  'conv-geometry': convGeometryWgsl,
  'vector-operands': vectorOperandsWgsl,
  'vector-load-a': vectorLoadAWgsl,
};
const SCALARS = {
  ...ACTIVATION_INCLUDES,
  bindings: bindingsWgsl,
  'conv-geometry': convGeometryWgsl,
  operands: operandsWgsl,
  epilogue: epilogueWgsl,
  'epilogue-bindings': epilogueBindingsWgsl,
};

/** Declares the kernels of an operation, which differ from those of another in their names alone. */
export function matmulKernels(op: string): MatmulKernels {
  const vectorTiled = (variant: MatmulVariant, tile: object) =>
    defineKernel({
      name: `${op}/${variant}`,
      template: vectorTiledWgsl,
      includes: VECTOR_OPERANDS,
      params: { ELEMENT: 'vec4f', ...tile },
      optional: EPILOGUE,
    });
  return {
    broadcast: defineKernel({
      name: `${op}/broadcast`,
      template: broadcastWgsl,
      includes: VECTOR_OPERANDS,
      params: { ELEMENT: 'vec4f', SUBGROUPS: 1 },
      optional: EPILOGUE,
    }),
    'vector-64x128': vectorTiled('vector-64x128', VECTOR_TILES['vector-64x128']),
    'vector-32x64': vectorTiled('vector-32x64', VECTOR_TILES['vector-32x64']),
    'vector-32x32': vectorTiled('vector-32x32', VECTOR_TILES['vector-32x32']),
    'split-k': vectorTiled('split-k', VECTOR_TILES[SPLIT_TILE]),
    tiled: defineKernel({
      name: `${op}/tiled`,
      template: tiledWgsl,
      includes: SCALARS,
      params: { ELEMENT: 'f32', TM: 4, TN: 4 },
      optional: EPILOGUE,
    }),
    'subgroup-matrix': defineKernel({
      name: `${op}/subgroup-matrix`,
      template: subgroupMatrixWgsl,
      includes: VECTOR_OPERANDS,
      params: { ELEMENT: 'vec4f' },
      optional: EPILOGUE,
    }),
    merge: defineKernel({
      name: `${op}/split-merge`,
      template: splitMergeWgsl,
      includes: VECTORS,
      params: { ELEMENT: 'vec4f' },
      optional: EPILOGUE,
    }),
  };
}
