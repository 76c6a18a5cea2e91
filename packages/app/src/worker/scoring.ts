import type { Session } from 'samtrack';
import { decodeLabelPng } from 'samtrack/io';
import { EvaluationError, type EvaluationFrame, evaluateSequence, summarise } from 'samtrack/metrics';
import type { ScoreReport } from '../protocol.js';

/** A file with its path in the dropped folder. */
export interface PathFile {
  readonly path: string;
  readonly file: File;
}

const TRUTH = /(?:^|\/)Annotations(?:_unsupervised)?\/(?:[^/]+\/)?([^/]+)\/([^/]+)\.png$/;
const RESULT = /(?:^|\/)([^/]+)\/([^/]+)\.png$/;

/** Files by sequence and frame. */
function grouped(files: readonly PathFile[], pattern: RegExp): Map<string, Map<string, File>> {
  const groups = new Map<string, Map<string, File>>();
  for (const { path, file } of files) {
    const [, sequence, frame] = pattern.exec(path) ?? [];
    if (!sequence || !frame) continue;
    const group = groups.get(sequence) ?? new Map<string, File>();
    group.set(frame, file);
    groups.set(sequence, group);
  }
  return groups;
}

const read = (file: File) => async () => decodeLabelPng(new Uint8Array(await file.arrayBuffer()), file.name);

/**
 * Scores results as DAVIS does: `Annotations/480p/SEQUENCE/*.png` against the `SEQUENCE/*.png` beside them, or against the open
 * session where it is of that name, or the only sequence has as many frames.
 * @throws EvaluationError, MaskError
 */
export async function scoreFolder(
  files: readonly PathFile[],
  open: { name: string; session: Session } | undefined,
): Promise<ScoreReport> {
  const truths = grouped(files, TRUTH);
  if (truths.size === 0) {
    throw new EvaluationError('not-found', 'the folder', 'there is no Annotations/480p/SEQUENCE/*.png in it');
  }
  const results = grouped(
    files.filter(({ path }) => !TRUTH.test(path) && !/(?:^|\/)JPEGImages\//.test(path)),
    RESULT,
  );
  const sequences: ScoreReport['sequences'][number][] = [];
  for (const [name, truth] of [...truths].sort()) {
    const names = [...truth.keys()].sort();
    const given = results.get(name);
    const session =
      !given && open && (open.name === name || (truths.size === 1 && open.session.source.frameCount === names.length))
        ? open.session
        : undefined;
    if (!given && !session) continue;
    const frames = names.map((frame, index): EvaluationFrame => {
      const file = given?.get(frame);
      return {
        name: frame,
        truth: read(truth.get(frame)!),
        result: async () => {
          const labels = file ? await read(file)() : await session?.mask(index);
          if (!labels) throw new EvaluationError('missing-result', `${name}/${frame}.png`, 'no such result');
          return labels;
        },
      };
    });
    const scores = await evaluateSequence(name, frames);
    const { jf, j, f } = summarise(scores.objects);
    sequences.push({
      name,
      jf,
      j,
      f,
      frames: scores.frames,
      objects: scores.objects.map(({ id, j, f }) => ({ id, j, f })),
    });
  }
  if (sequences.length === 0) {
    const what = [...truths.keys()].slice(0, 3).join(', ');
    throw new EvaluationError(
      'missing-result',
      what,
      'neither a folder of results nor the open video is of this sequence',
    );
  }
  const all = sequences.flatMap(({ objects }) =>
    objects.map(({ id, j, f }) => ({ id, resultId: id, j: [...j], f: [...f] })),
  );
  return { sequences, ...summarise(all) };
}
