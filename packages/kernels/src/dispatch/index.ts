export type { Choosable, Chooser } from './chooser.js';
export { CapturedGraph, GraphPool, type RecordedStep } from './graph.js';
export { DeviceLostError, KernelError } from './health.js';
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
export { getRuntime, type Launch, Runtime } from './runtime.js';
export { foldWorkgroups } from './workgroups.js';
