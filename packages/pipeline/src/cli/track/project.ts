/** Tracking as a session: with `samtrack track --project`, kept in a file, and for prompts in later frames, in memory. */
import { basename } from 'node:path';
import type { ResultSummary, ResultWriter } from '../../export/index.js';
import type { FrameSource } from '../../io/index.js';
import { SamTrack, type Session } from '../../session/index.js';
import type { Report } from '../common/progress.js';
import type { TrackerSettings } from '../common/tracking.js';
import type { TrackingHost } from '../common/tracking-host.js';

/**
 * Opens the GPU, loads the weights, and opens the project, or begins one.
 * @param file Where it is kept; in memory if undefined.
 * @param begin Gives a new session its objects.
 * @param goOn Looks at one that has objects already.
 */
export async function openProject(
  file: string | undefined,
  source: FrameSource,
  begin: (session: Session) => Promise<unknown>,
  goOn: (session: Session) => unknown,
  { tracker, model, weights, engine, tracking }: TrackerSettings,
  report: Report,
  signal: AbortSignal,
): Promise<{ st: SamTrack; session: Session }> {
  const { memoryMB, ...others } = tracking;
  const st = await SamTrack.load({
    tracker,
    model,
    weights,
    ...others,
    ...engine,
    signal,
    onProgress: report.loading(basename(weights)),
    onDeviceLost: (message) => report.note(`${message} It was opened again and the run goes on.`),
  });
  try {
    report.end();
    report.note(st.tracker.engineReason);
    const session = await st.open(source, { project: file, memoryMB });
    if (session.repaired) report.note(`${file}: the last line was cut short and is dropped`);
    if (session.objects.length === 0) await begin(session);
    else await goOn(session);
    return { st, session };
  } catch (error) {
    await st.dispose();
    throw error;
  }
}

/** What `trackProject` works on. */
export interface ProjectRun {
  project: { st: SamTrack; session: Session };
  /** The source of the results, of which the session may have a part. */
  source: FrameSource;
  /** The session's frames in the source. */
  range: { from?: number; to?: number };
  /** Whether objects that appear later are also tracked backward. */
  backward: boolean;
  /** Whether a run that is stopped writes what it has. */
  writesParts: boolean;
  writer: ResultWriter;
  host: TrackingHost;
}

/** Tracks what is left to track, then writes the results of all frames. What was tracked stays in the session in any case. */
export async function trackProject(
  run: ProjectRun,
): Promise<{ summary: ResultSummary; tracked: number; error?: unknown }> {
  const { backward, writesParts, writer } = run;
  let tracked = 0;
  try {
    for (const direction of backward ? (['forward', 'backward'] as const) : (['forward'] as const)) {
      tracked += await propagateAll(run, direction);
    }
    await writeMasks(run, run.host.signal);
    return { summary: await writer.finish(), tracked };
  } catch (error) {
    if (writesParts) await writeMasks(run).catch(() => {});
    return { summary: await writer.abort(), tracked, error };
  }
}

async function propagateAll(
  { project: { st, session }, host }: ProjectRun,
  direction: 'forward' | 'backward',
): Promise<number> {
  let tracked = 0;
  let last = performance.now();
  let milliseconds = 0;
  for await (const { image: frame, mask: labels, done, total } of session.propagate({
    direction,
    signal: host.signal,
  })) {
    milliseconds += performance.now() - last;
    tracked = done;
    await host.onProgress(st.tracker, { frame, labels, done, total, tracked, seconds: milliseconds / 1000 });
    last = performance.now();
  }
  return tracked;
}

async function writeMasks({ project: { session }, source, range, writer }: ProjectRun, signal?: AbortSignal) {
  for await (const frame of source.frames({ ...range, signal })) {
    const labels = await session.mask(frame.index - (range.from ?? 0), { signal });
    if (labels) await writer.add(frame, labels);
  }
}
