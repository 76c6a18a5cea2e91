import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Weights that this package carries. */
export interface EmbeddedWeights {
  /** The safetensors file. Its metadata say in `long_edge` the longest side of the input, in pixels, that the weights are for. */
  path: string;
}

const EMBEDDED: Readonly<Record<string, string>> = { 'deaot-t': 'deaot-t.safetensors' };

/** The weights of a model that come with this package; nothing where there are none. */
export function embeddedWeights(model: string): EmbeddedWeights | undefined {
  const file = EMBEDDED[model];
  if (!file) return undefined;
  const path = fileURLToPath(new URL(`../embedded/${file}`, import.meta.url));
  return existsSync(path) ? { path } : undefined;
}
