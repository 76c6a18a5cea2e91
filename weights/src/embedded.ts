import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Weights that this package carries. */
export interface EmbeddedWeights {
  /** The safetensors file. Its metadata say in `long_edge` the longest side of the input, in pixels, that the weights are for. */
  path: string;
}

const EMBEDDED: Readonly<Record<string, string>> = { 'deaot-t': 'deaot-t.safetensors' };

/** A file of this package; nothing where it is not there. */
function embeddedFile(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../embedded/${name}`, import.meta.url));
  return existsSync(path) ? path : undefined;
}

/** The weights of a model that come with this package; nothing where there are none. */
export function embeddedWeights(model: string): EmbeddedWeights | undefined {
  const file = EMBEDDED[model];
  const path = file && embeddedFile(file);
  return path ? { path } : undefined;
}

/** The safetensors files of the segmenter that comes with this package, `samtrack-small`, and of the tracker whose encoder it shares. */
export function embeddedSegmenter(): { segmenter: string; tracker: string } | undefined {
  const [segmenter, tracker] = [embeddedFile('samtrack-small.safetensors'), embeddedFile(EMBEDDED['deaot-t']!)];
  return segmenter === undefined || tracker === undefined ? undefined : { segmenter, tracker };
}
