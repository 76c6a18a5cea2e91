/** What went wrong with a download or a file in the cache; stable, meant for `switch`. */
export type WeightsErrorCode =
  /** No checkpoint of that name in the catalogue. */
  | 'unknown-name'
  /** The connection fails, after retries. What has arrived is kept: calling again resumes. */
  | 'network'
  /** The server answers with an error status; `status` holds it. */
  | 'http-status'
  /** A web page came instead of the file. */
  | 'html'
  /** Google Drive has served this file too often today. */
  | 'quota'
  /** The server says that the file is complete, but it is shorter than it should be. */
  | 'truncated'
  /** More or fewer bytes than the catalogue says. */
  | 'wrong-size'
  /** The bytes are not those that the catalogue describes. The file was deleted. */
  | 'wrong-hash'
  /** The cache folder cannot be written (permission, space). */
  | 'disk'
  /** Another process is downloading the same file. */
  | 'busy';

/** What a `WeightsError` is about. */
export interface WeightsErrorFields {
  readonly file?: string;
  readonly url?: string;
  readonly status?: number;
  readonly expected?: string | number;
  readonly actual?: string | number;
  readonly cause?: unknown;
}

/** Any failure to fetch or check a file of the catalogue. */
export class WeightsError extends Error {
  readonly code: WeightsErrorCode;
  readonly file: string | undefined;
  readonly url: string | undefined;
  /** HTTP status, where one came. */
  readonly status: number | undefined;
  readonly expected: string | number | undefined;
  readonly actual: string | number | undefined;

  constructor(code: WeightsErrorCode, message: string, fields: WeightsErrorFields = {}) {
    super(message, { cause: fields.cause });
    this.name = 'WeightsError';
    this.code = code;
    this.file = fields.file;
    this.url = fields.url;
    this.status = fields.status;
    this.expected = fields.expected;
    this.actual = fields.actual;
  }
}
