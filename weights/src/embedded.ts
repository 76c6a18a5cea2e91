import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Weights that this package carries, by model. */
const EMBEDDED: Readonly<Record<string, string>> = { 'deaot-t': 'deaot-t.safetensors' };

/** Path of the weights of a model that come with this package; nothing where there are none. */
export function embeddedWeights(model: string): string | undefined {
  const file = EMBEDDED[model];
  if (!file) return undefined;
  const path = fileURLToPath(new URL(`../embedded/${file}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}
