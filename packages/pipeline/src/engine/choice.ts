import type { EngineKind } from '@samtrack/kernels';

/** `auto`: WebGPU on a GPU, and the CPU where there is none. */
export type EngineChoice = 'auto' | EngineKind;

/** The choices, the names of `--engine`. */
export const ENGINE_CHOICES: readonly EngineChoice[] = ['auto', 'webgpu', 'cpu'];

/** There is no such engine, or another one is in use. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
}

/** The choice that a name is. @param from Where it was given, for the message. @throws EngineError for anything but an engine */
export function checkChoice(from: string, name: unknown): EngineChoice {
  const choice = ENGINE_CHOICES.find((one) => one === name);
  if (!choice) throw new EngineError(`${from} is one of ${ENGINE_CHOICES.join(', ')}, not "${String(name)}".`);
  return choice;
}

/** What `SAMTRACK_ENGINE` says, where there is such an environment. @throws EngineError for anything but an engine */
export function engineOfEnvironment(): EngineChoice | undefined {
  const name = globalThis.process?.env?.['SAMTRACK_ENGINE'];
  return name ? checkChoice('SAMTRACK_ENGINE', name) : undefined;
}
