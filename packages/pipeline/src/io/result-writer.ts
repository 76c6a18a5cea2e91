import type { Frame } from './frame-source.js';
import type { LabelMap } from './label-map.js';

/** What a run wrote. */
export interface ResultSummary {
  /** Frames with a result, those of an earlier, resumed run included. */
  frames: number;
  /** False if the run was stopped before the last frame. */
  complete: boolean;
  /** Paths of the finished files and folders, relative to the output folder. */
  files: string[];
}

/**
 * Takes the results of a run, frame by frame in presentation order, and writes them.
 *
 * Masks are durable at once, one file a frame. The overlay video and the JSON appear at `finish` or `abort`.
 * After a run that was killed, a writer opened with `resume: true` knows the frames that have masks; the caller hands those frames
 * in again with their stored masks (`readDone`), so that video and JSON come out whole.
 */
export interface ResultWriter {
  /** Names of the frames whose masks stood in the folder when the writer was opened with `resume: true`. */
  readonly done: ReadonlySet<string>;
  /** The stored label map of a frame in `done`. Throws `MaskError` if the file has been damaged. */
  readDone(frame: Pick<Frame, 'name' | 'width' | 'height'>): Promise<LabelMap>;
  /** Writes one frame's results. Frames arrive in order. Throws `OutputError`; after that only `abort` is of use. */
  add(frame: Frame, labels: LabelMap): Promise<void>;
  /** Completes every file. */
  finish(): Promise<ResultSummary>;
  /** Completes every file with the frames it has: for Ctrl-C and for errors in the middle of a run. Does not throw. */
  abort(): Promise<ResultSummary>;
}
