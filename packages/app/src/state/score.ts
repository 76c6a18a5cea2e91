import { signal } from '@preact/signals';
import type { ScoreReport } from '../protocol.js';
import { attempt, engine } from './engine.js';
import { busy, dialog } from './view.js';

/** The newest score. */
export const scores = signal<ScoreReport | undefined>(undefined);

/** Scores a dropped data set, and shows it. */
export async function scoreFiles(entries: readonly { path: string; file: File }[]): Promise<void> {
  busy.value = 'Scoring';
  const report = await attempt(() => engine().score(entries));
  busy.value = undefined;
  if (!report) return;
  scores.value = report;
  dialog.value = 'score';
}
