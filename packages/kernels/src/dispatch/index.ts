export type { Choosable, Chooser, Work } from './chooser.js';
export { CapturedGraph, GraphPool, type RecordedStep } from './graph.js';
export { DeviceLostError, KernelError } from './health.js';
export {
  definedPrograms,
  defineKernel,
  type Kernel,
  KernelDefinitionError,
  type KernelSpec,
  type KernelTensors,
  type KernelUniforms,
  type Program,
} from './kernel.js';
export type { DispatchTime } from './profile.js';
export { getRuntime, type Launch, NoRuntimeError, Runtime } from './runtime.js';
export { foldWorkgroups } from './workgroups.js';
