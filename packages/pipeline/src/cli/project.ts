/** `samtrack track --project`: tracking as a session that is kept in a file. */
import { basename } from 'node:path';
import type { FrameSource, LabelMap, ResultSummary, ResultWriter } from '../io/index.js';
import { SamTrack, type Session } from '../session/index.js';
import type { Report } from './progress.js';
import { reportProgress, type TrackerSettings } from './tracking.js';

/** Opens the GPU, loads the weights, and opens the project, or begins one with the masks of the first frame. */
export async function openProject(
  file: string,
  source: FrameSource,
  firstMask: LabelMap,
  { model, weights, adapter, tracking }: TrackerSettings,
  report: Report,
  signal: AbortSignal,
): Promise<{ st: SamTrack; session: Session }> {
  const { memoryMB, ...others } = tracking;
  const st = await SamTrack.load({
    tracker: model,
    weights,
    ...others,
    gpu: { adapter, tuning: 'cached' },
    signal,
    onProgress: (fraction) => report.progress(`loading ${basename(weights)}`, fraction),
    onDeviceLost: (message) => report.note(`${message} It was opened again and the run goes on.`),
  });
  try {
    report.end();
    const session = await st.open(source, { project: file, memoryMB });
    if (session.repaired) report.note(`${file}: the last line was cut short and is dropped`);
    if (session.objects.length === 0) await session.prompt({ frame: 0, mask: firstMask });
    return { st, session };
  } catch (error) {
    await st.dispose();
    throw error;
  }
}

/** Tracks what is left to track, then writes the results of all frames. What was tracked stays in the project in any case. */
export async function trackProject(
  { st, session }: { st: SamTrack; session: Session },
  writer: ResultWriter,
  report: Report,
  signal: AbortSignal,
): Promise<{ summary: ResultSummary; tracked: number; error?: unknown }> {
  let tracked = 0;
  try {
    let last = performance.now();
    let milliseconds = 0;
    for await (const { image: frame, mask: labels, done, total } of session.propagate({ signal })) {
      milliseconds += performance.now() - last;
      tracked = done;
      reportProgress(report, st.tracker, { frame, labels, done, total, tracked, seconds: milliseconds / 1000 });
      last = performance.now();
    }
    for await (const frame of session.source.frames({ signal })) {
      const labels = await session.mask(frame.index, { signal });
      if (labels) await writer.add(frame, labels);
    }
    return { summary: await writer.finish(), tracked };
  } catch (error) {
    return { summary: await writer.abort(), tracked, error };
  }
}
