/** What commands that run networks have in common: the options that say on what. */
import { ENGINE_CHOICES, type EngineOptions } from '../../engine/index.js';
import { oneOf, positiveNumber } from '../command.js';

/** The part of a command's help about engines. */
export const ENGINE_HELP = `Engine:
  --engine NAME         ${ENGINE_CHOICES.join(', ')}; default $SAMTRACK_ENGINE, else auto: WebGPU on a GPU, and the
                        CPU (ONNX Runtime) where there is none. What that compiles is kept in the user's cache
                        folder, or in $SAMTRACK_GRAPH_CACHE, a folder or off
  --threads N           threads of the CPU engine; default one for each core
  --adapter NAME        part of the name of the GPU to use, which means WebGPU
`;

/** Options that choose an engine, as `parseArgs` takes them. */
export const ENGINE_OPTIONS = {
  engine: { type: 'string' },
  threads: { type: 'string' },
  adapter: { type: 'string' },
} as const;

/** The options of the engine that were given, as arguments of another command. */
export const engineArguments = (options: { [name in keyof typeof ENGINE_OPTIONS]?: string }): string[] =>
  Object.keys(ENGINE_OPTIONS).flatMap((name) => {
    const value = options[name as keyof typeof ENGINE_OPTIONS];
    return value === undefined ? [] : [`--${name}`, value];
  });

/** The options of the engine, checked. @throws UsageError */
export function engineSettings(options: { [name in keyof typeof ENGINE_OPTIONS]?: string }): EngineOptions {
  const threads = positiveNumber('threads', options.threads, { whole: true });
  return {
    engine: oneOf('engine', options.engine, ENGINE_CHOICES),
    gpu: { ...(options.adapter === undefined ? {} : { adapter: options.adapter }), tuning: 'cached' },
    ...(threads === undefined ? {} : { cpu: { threads } }),
  };
}
