import type { EngineKind } from '@samtrack/kernels';

/** `auto`: WebGPU on a GPU, and the CPU where there is none. */
export type EngineChoice = 'auto' | EngineKind;

/** The choices, the names of `--engine`. */
export const ENGINE_CHOICES: readonly EngineChoice[] = ['auto', 'webgpu', 'cpu'];

/** There is no such engine. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
}

/** What `SAMTRACK_ENGINE` says, where there is such an environment. @throws EngineError for anything but an engine */
export function engineOfEnvironment(): EngineChoice | undefined {
  const name = globalThis.process?.env?.['SAMTRACK_ENGINE'];
  if (!name) return undefined;
  const choice = ENGINE_CHOICES.find((one) => one === name);
  if (!choice) throw new EngineError(`SAMTRACK_ENGINE is one of ${ENGINE_CHOICES.join(', ')}, not "${name}".`);
  return choice;
}
