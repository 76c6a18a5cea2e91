import type { Checkpoint } from '../types.js';
import { withOfficialKeys } from './index.js';
import { RenamedCheckpoint } from './renamed-checkpoint.js';

/** Attributes under which wrappers keep a model: DataParallel and AveragedModel, Lightning and other trainers, keepers of averaged weights. */
const WRAPPERS = [
  'module.',
  'model.',
  'net.',
  'network.',
  'ema.',
  'ema_model.',
  'model_ema.',
  'averaged_model.',
  'state_dict.',
];
/** What wrappers add beside the model's own tensors. */
const BESIDE = /^(?:n_averaged|num_updates|decay|initted|step|criterion\..*|loss(?:_fn)?\..*)$/;

/**
 * Plain names of keys: `_orig_mod.`, which `torch.compile` puts before the names inside a compiled module, goes wherever it stands, `module.` as often as
 * it leads, and another wrapper's name where every tensor of the model has it. A key whose plain name is taken stays as it is.
 * @returns stored keys by their plain names, in the order given
 */
function plainKeys(stored: readonly string[]): Map<string, string> {
  const taken = new Set(stored);
  let names = stored.map((key) => ({ key, name: key.replaceAll('_orig_mod.', '').replace(/^(?:module\.)+/, '') }));
  for (;;) {
    const own = names.filter(({ name }) => !BESIDE.test(name));
    const wrapper = WRAPPERS.find((prefix) => own.length > 0 && own.every(({ name }) => name.startsWith(prefix)));
    if (!wrapper) break;
    names = names.map(({ key, name }) => ({ key, name: name.startsWith(wrapper) ? name.slice(wrapper.length) : name }));
  }
  const plain = new Map<string, string>();
  for (const { key, name } of names) {
    const isFree = name !== '' && !plain.has(name) && (name === key || !taken.has(name));
    plain.set(isFree ? name : key, key);
  }
  return plain;
}

/** The checkpoint under the plain names of its keys: see `plainKeys`. */
export function withPlainKeys(checkpoint: Checkpoint): Checkpoint {
  // Names of Hugging Face transformers begin with `model.` on their own.
  if (withOfficialKeys(checkpoint) !== checkpoint) return checkpoint;
  const plain = plainKeys(checkpoint.keys);
  if ([...plain].every(([name, key]) => name === key)) return checkpoint;
  return new RenamedCheckpoint(checkpoint, new Map([...plain].map(([name, key]) => [name, [key]])));
}
