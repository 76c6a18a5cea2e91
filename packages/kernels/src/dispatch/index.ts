export { CapturedGraph, GraphPool, type RecordedStep } from './graph.js';
export type { DispatchTime } from './profile.js';
export {
  type BufferAccess,
  definedPrograms,
  defineProgram,
  type FloatUniform,
  f32,
  type Program,
  type UniformValue,
} from './program.js';
export {
  DeviceLostError,
  foldWorkgroups,
  getRuntime,
  KernelError,
  type Launch,
  Runtime,
} from './runtime.js';
