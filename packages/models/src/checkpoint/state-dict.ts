import { CheckpointError } from './error.js';
import { TensorRef } from './torch-globals.js';
import { PyDict, type PyValue } from './unpickler.js';

/** Names under which training scripts keep weights; averaged ones count where they are the only ones. */
const CONTAINERS = [
  'state_dict',
  'model',
  'model_state_dict',
  'model_state',
  'net',
  'network',
  'weights',
  'params',
  'state_dict_ema',
  'model_ema',
  'ema_state_dict',
  'ema_model',
  'ema',
  'params_ema',
  'module',
];

/** The weights found in what a `.pth` file held. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** Where they stood: `state_dict`, `model`, or empty when the file is the state dict itself. */
  readonly container: string;
  /** Names beside it that were not looked into (optimizer, scaler, epoch, ...). */
  readonly skipped: readonly string[];
}

/**
 * Picks the state dict out of an unpickled object: the first of `CONTAINERS` that holds a dict, else the object itself. Keys stay as they are.
 * Two levels are looked at, so cyclic data is harmless.
 */
export function findStateDict(root: PyValue, file: string): StateDict {
  if (!(root instanceof PyDict)) {
    throw new CheckpointError('unknown-format', 'the file holds no dict of tensors; save a state_dict', { file });
  }
  let container = '';
  let dict = root;
  const skipped: string[] = [];
  for (let level = 0; level < 2; level++) {
    const name = CONTAINERS.find((each) => dict.get(each) instanceof PyDict);
    if (name === undefined) break;
    for (const key of dict.keys()) if (typeof key === 'string' && key !== name) skipped.push(key);
    container = container ? `${container}.${name}` : name;
    dict = dict.get(name) as PyDict;
  }
  const stored = new Map<string, TensorRef>();
  for (const [key, value] of dict) {
    if (typeof key !== 'string') continue;
    if (value instanceof TensorRef) stored.set(key, value);
    else skipped.push(key);
  }
  if (stored.size === 0) {
    const names = skipped.slice(0, 8).join(', ') || 'nothing';
    throw new CheckpointError('unknown-format', `no tensors by name were found; the dict holds ${names}`, { file });
  }
  return { tensors: stored, container, skipped };
}
