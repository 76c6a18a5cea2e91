import { computed, signal } from '@preact/signals';
import { seek } from './actions.js';
import { attempt, engine } from './engine.js';
import { announced, candidates } from './view.js';

const chosenKey = signal<number | undefined>(undefined);

/** The candidate that keys decide about. */
export const chosen = computed(
  () => candidates.value.find(({ key }) => key === chosenKey.value) ?? candidates.value[0],
);

/** Goes to another candidate, and shows the frame that it is in. */
export function reviewed(by: 1 | -1 | { key: number }): void {
  const all = candidates.value;
  if (all.length === 0) return;
  const at = all.findIndex(({ key }) => key === chosen.value?.key);
  const next =
    typeof by === 'object' ? all.find(({ key }) => key === by.key) : all[(at + by + all.length) % all.length];
  if (!next) return;
  chosenKey.value = next.key;
  seek(next.frame);
}

/** Decides about the chosen candidate, or another one. */
export async function decide(
  decision: 'accept' | 'reject' | { merge: number },
  key = chosen.value?.key,
): Promise<void> {
  if (key === undefined) return;
  await attempt(() => engine().candidate(key, decision));
  announced.value = `${decision === 'reject' ? 'Rejected' : 'Accepted'}; ${candidates.value.length} left`;
}
