import { CheckpointError } from './error.js';
import { TensorRef } from './torch-globals.js';
import { PyDict, type PyValue } from './unpickler.js';

/** The weights found in what a `.pth` file held. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** Where they stood: `state_dict`, `model`, or empty when the file is the state dict itself. */
  readonly container: string;
  /** Names beside it that were not looked into (optimizer, scaler, epoch, ...). */
  readonly skipped: readonly string[];
}

/**
 * Picks the state dict out of an unpickled object: its `state_dict`, else its `model`, else the object itself.
 * One leading `module.` (left by DataParallel) is removed from a key, unless the plain key exists too.
 * Only one level is looked at, so cyclic data is harmless.
 */
export function findStateDict(root: PyValue, file: string): StateDict {
  if (!(root instanceof PyDict)) {
    throw new CheckpointError('unknown-format', 'the file holds no dict of tensors; save a state_dict', { file });
  }
  let container = '';
  let dict = root;
  for (const name of ['state_dict', 'model']) {
    const inner = root.get(name);
    if (inner instanceof PyDict) {
      container = name;
      dict = inner;
      break;
    }
  }
  const stored = new Map<string, TensorRef>();
  const skipped: string[] = [];
  for (const [key, value] of dict) {
    if (typeof key !== 'string') continue;
    if (value instanceof TensorRef) stored.set(key, value);
    else skipped.push(key);
  }
  if (container) for (const key of root.keys()) if (typeof key === 'string' && key !== container) skipped.push(key);
  if (stored.size === 0) {
    const names = skipped.slice(0, 8).join(', ') || 'nothing';
    throw new CheckpointError('unknown-format', `no tensors by name were found; the dict holds ${names}`, { file });
  }
  const tensors = new Map<string, TensorRef>();
  for (const [key, tensor] of stored) {
    const plain = key.startsWith('module.') ? key.slice('module.'.length) : key;
    tensors.set(stored.has(plain) ? key : plain, tensor);
  }
  return { tensors, container, skipped };
}
