/** What went wrong with a checkpoint; stable, meant for `switch`. */
export type CheckpointErrorCode =
  /** The file or URL cannot be opened or read at all (not found, permission, network). */
  | 'unreadable'
  /** The bytes end before the format says they do. */
  | 'truncated'
  /** Neither safetensors, PyTorch nor a procedural manifest. */
  | 'unknown-format'
  /** A web page (log-in, quota, confirmation, 404) was saved instead of the checkpoint. */
  | 'html'
  /** The bytes contradict themselves or the format. */
  | 'corrupt'
  /** A pickle names a Python global outside the allow-list; `global` holds the name. Nothing was executed. */
  | 'forbidden-global'
  /** Valid, but a feature that is not implemented (compressed zip entry, big-endian storage, quantised dtype, ...). */
  | 'unsupported'
  /** A size is beyond any real checkpoint; refused before memory is allocated. */
  | 'too-large'
  /** The model needs a tensor that the file does not hold. */
  | 'missing-key'
  /** The tensor is there with another shape. */
  | 'wrong-shape'
  /** The tensor holds NaN or an infinity. */
  | 'not-finite'
  /** The file belongs to another model. */
  | 'wrong-architecture'
  /** The checkpoint was used after `close()`. */
  | 'closed';

/** Where in which checkpoint the problem is. */
export interface CheckpointErrorFields {
  /** File name or URL, as the caller gave it. */
  readonly file?: string;
  /** State-dict key of the tensor concerned. */
  readonly key?: string;
  readonly expectedShape?: readonly number[];
  readonly actualShape?: readonly number[];
  /** `module.name` of the refused Python global. */
  readonly global?: string;
  readonly cause?: unknown;
}

/** Any failure to read a checkpoint or to find in it what a model needs. The message names the file, and the key where there is one. */
export class CheckpointError extends Error {
  readonly code: CheckpointErrorCode;
  readonly file: string | undefined;
  readonly key: string | undefined;
  readonly expectedShape: readonly number[] | undefined;
  readonly actualShape: readonly number[] | undefined;
  readonly global: string | undefined;

  constructor(code: CheckpointErrorCode, message: string, fields: CheckpointErrorFields = {}) {
    super(fields.file ? `${fields.file}: ${message}` : message, { cause: fields.cause });
    this.name = 'CheckpointError';
    this.code = code;
    this.file = fields.file;
    this.key = fields.key;
    this.expectedShape = fields.expectedShape;
    this.actualShape = fields.actualShape;
    this.global = fields.global;
  }
}
