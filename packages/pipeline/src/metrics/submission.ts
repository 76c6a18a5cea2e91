import { readBinary } from '#platform';
import { ZipWriter } from '../export/zip.js';
import { makeOwnedFile } from '../io/owned-file.js';
import { decodePngSamples } from '../io/palette-png.js';
import type { RunInput } from '../io/run-inputs.js';
import { EvaluationError } from './errors.js';

/** One sequence of a submission. */
export interface SubmissionSequence {
  name: string;
  /** Names of the frames that must be there, without extension. */
  frames: readonly string[];
  /** Size of the frames, as the server has them. */
  width: number;
  height: number;
  /** Ids that may occur. */
  ids: Iterable<number>;
}

/** Options of `writeSubmission`. */
export interface SubmissionOptions {
  /** `davis`: `<sequence>/<frame>.png` at the top of the archive. `youtube-vos`: `Annotations/<video>/<frame>.png`. */
  dataset: 'davis' | 'youtube-vos';
  /** Folder of results: `<sequence>/<frame>.png`. */
  results: string;
  /** All sequences of the split. */
  sequences: readonly SubmissionSequence[];
  /** The archive. */
  zip: string;
  /** What is read besides the results: the data set. */
  inputs?: readonly RunInput[] | undefined;
  signal?: AbortSignal | undefined;
}

/** Refuses a PNG that the server would refuse, or misread. */
function checkPng(bytes: Uint8Array, path: string, { width, height }: SubmissionSequence, ids: Set<number>): void {
  const png = decodePngSamples(bytes, path);
  if (png.kind !== 'palette') {
    throw new EvaluationError('bad-result', path, `a ${png.kind} PNG; an indexed one is needed`);
  }
  if (png.width !== width || png.height !== height) {
    throw new EvaluationError(
      'size-mismatch',
      path,
      `the result has ${png.width}x${png.height} pixels, the frame has ${width}x${height}`,
    );
  }
  const strange = png.data.find((id) => id !== 0 && !ids.has(id));
  if (strange !== undefined) {
    throw new EvaluationError('too-many-objects', path, `the sequence has no object ${strange}`);
  }
}

/**
 * Packs results for the server of DAVIS (2017 test-dev and test-challenge) or YouTube-VOS, and checks its rules first: every frame of every sequence,
 * indexed, of the frame's size, without unknown ids; for DAVIS more than one folder at the top, since a single one is taken for a wrapping folder.
 *
 * The archive appears only if everything is right.
 * Throws `EvaluationError` that names the file: `missing-result`, `bad-result`, `size-mismatch`, `too-many-objects`; `bad-option` for a
 * DAVIS submission of one sequence; `MaskError` for a damaged PNG; `OutputError`.
 * @returns number of PNGs in the archive
 */
export async function writeSubmission(options: SubmissionOptions): Promise<number> {
  const { dataset, results, sequences, zip, signal } = options;
  if (sequences.length === 0) throw new EvaluationError('bad-option', 'sequences', 'no sequences to submit');
  if (dataset === 'davis' && sequences.length === 1) {
    throw new EvaluationError(
      'bad-option',
      'sequences',
      'the server takes a single folder at the top of the archive for a wrapping folder and refuses it; submit the whole split',
    );
  }
  return makeOwnedFile(zip, options.inputs ?? [], async (file) => {
    const archive = new ZipWriter(file);
    let files = 0;
    for (const sequence of sequences) {
      const ids = new Set(sequence.ids);
      for (const frame of sequence.frames) {
        signal?.throwIfAborted();
        const inner = `${sequence.name}/${frame}.png`;
        const path = `${results}/${inner}`;
        const bytes = await readBinary(path).catch((cause) => {
          throw new EvaluationError('missing-result', path, 'no such file', { cause });
        });
        checkPng(bytes, path, sequence, ids);
        await archive.add(dataset === 'youtube-vos' ? `Annotations/${inner}` : inner, bytes);
        files++;
      }
    }
    await archive.end();
    return files;
  });
}
