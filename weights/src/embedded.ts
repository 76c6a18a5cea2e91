import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Weights that this package carries. */
export interface EmbeddedWeights {
  /** The safetensors file. */
  path: string;
  /** Longest side of the network's input, in pixels, at which these weights score best (see `embedded/MODEL_CARD.md`). */
  longEdge: number;
}

const EMBEDDED: Readonly<Record<string, { file: string; longEdge: number }>> = {
  'deaot-t': { file: 'deaot-t.safetensors', longEdge: 641 },
};

/** The weights of a model that come with this package; nothing where there are none. */
export function embeddedWeights(model: string): EmbeddedWeights | undefined {
  const entry = EMBEDDED[model];
  if (!entry) return undefined;
  const path = fileURLToPath(new URL(`../embedded/${entry.file}`, import.meta.url));
  return existsSync(path) ? { path, longEdge: entry.longEdge } : undefined;
}
