import { ExternalGraphError } from './external-error.js';

/** An input or output of an exported graph. */
export interface PortDescription {
  readonly name: string;
  readonly type: 'float32' | 'int64';
  readonly shape: readonly number[];
  /** Images are [1, C, H, W]; everything else has its channels last. */
  readonly layout: 'NCHW' | 'rows';
}

/** What `bench/onnx` writes beside a graph. */
export interface GraphDescription {
  readonly schema: 1;
  /** `deaot-t@480x854`. */
  readonly benchmark: string;
  /** Version of PyTorch. */
  readonly torch: string;
  readonly weights: {
    readonly seed: number;
    readonly sha256: string;
    /** Beginnings of keys that the graph does not need. */
    readonly omitted: readonly string[];
  };
  readonly inputs: readonly PortDescription[];
  readonly outputs: readonly PortDescription[];
  /** SHA-256 by file name. */
  readonly files: Readonly<Record<string, string>>;
}

/** @throws ExternalGraphError naming the file and the entry that is not as it should be */
export function parseDescription(text: string, file: string): GraphDescription {
  const refuse = (entry: string, expected: string) =>
    new ExternalGraphError(`${file}: "${entry}" is not ${expected}; it is not what bench/onnx writes.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ExternalGraphError(`${file} is not JSON: ${(error as Error).message}.`);
  }
  const description = (isObject(value) ? value : {}) as Partial<Record<keyof GraphDescription, unknown>>;
  if (description.schema !== 1) throw refuse('schema', '1');
  for (const entry of ['benchmark', 'torch'] as const) {
    if (typeof description[entry] !== 'string') throw refuse(entry, 'a text');
  }
  const { weights, files } = description;
  if (!isObject(weights) || typeof weights['seed'] !== 'number') throw refuse('weights.seed', 'a number');
  if (typeof weights['sha256'] !== 'string') throw refuse('weights.sha256', 'a text');
  if (!isArrayOf(weights['omitted'], isText)) throw refuse('weights.omitted', 'a list of texts');
  for (const entry of ['inputs', 'outputs'] as const) {
    if (!isArrayOf(description[entry], isPort)) throw refuse(entry, 'a list of names, types, shapes and layouts');
  }
  if (!isObject(files) || !Object.values(files).every(isText)) throw refuse('files', 'a SHA-256 for each file');
  // Names are joined to the folder: they must not lead out of it.
  if (!Object.keys(files).every((name) => /^[\w@.-]+$/.test(name))) throw refuse('files', 'names of files');
  return description as GraphDescription;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isText = (value: unknown) => typeof value === 'string';

const isArrayOf = (value: unknown, test: (item: unknown) => boolean) => Array.isArray(value) && value.every(test);

const isPort = (value: unknown): boolean =>
  isObject(value) &&
  isText(value['name']) &&
  (value['type'] === 'float32' || value['type'] === 'int64') &&
  (value['layout'] === 'NCHW' || value['layout'] === 'rows') &&
  isArrayOf(value['shape'], (side) => Number.isSafeInteger(side) && (side as number) > 0);
