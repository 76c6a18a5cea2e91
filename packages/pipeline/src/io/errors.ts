/** What a frame source failed at. */
export type SourceErrorCode = 'not-found' | 'unreadable' | 'unsupported' | 'no-frames' | 'bad-option' | 'closed';

/** A source (file, folder, list of files) cannot be opened or read as a whole. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  /** @param source path or name of what was opened */
  constructor(
    readonly code: SourceErrorCode,
    readonly source: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${source}: ${message}`, options);
  }
}

/** What is wrong with a frame. */
export type FrameErrorCode = 'corrupt' | 'size-mismatch' | 'unreadable';

/** One frame of a source cannot be delivered. Every earlier frame was delivered before this is thrown. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
  /**
   * @param file path or name of the frame's file, or of the video
   * @param index 0-based number of the frame in its source
   */
  constructor(
    readonly code: FrameErrorCode,
    readonly file: string,
    readonly index: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${file}: frame ${index}: ${message}`, options);
  }
}

/** What is wrong with a mask. */
export type MaskErrorCode =
  | 'not-found'
  | 'unreadable'
  | 'unsupported'
  | 'size-mismatch'
  /** Two readings are equally good; an option decides. */
  | 'ambiguous'
  | 'no-objects'
  | 'too-many-objects';

/** A mask file cannot serve as a first-frame mask, or a label map cannot be written in the format that was asked for. */
export class MaskError extends Error {
  override readonly name = 'MaskError';
  /** @param source path or name of the mask */
  constructor(
    readonly code: MaskErrorCode,
    readonly source: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${source}: ${message}`, options);
  }
}

/**
 * `input`: it is something that the run reads. `foreign`: samtrack did not make it, or it was changed since. `busy`: somebody else writes there.
 */
export type OutputErrorCode =
  | 'input'
  | 'foreign'
  | 'disk-full'
  | 'not-writable'
  | 'write-failed'
  | 'not-empty'
  | 'resume-mismatch'
  | 'unsupported'
  | 'bad-option'
  | 'busy'
  | 'closed';

/** A result cannot be written. What was written before stays on disk and is valid. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
  /** @param target path or name of what was being written, or of the option that is wrong */
  constructor(
    readonly code: OutputErrorCode,
    readonly target: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${target}: ${message}`, options);
  }
}
