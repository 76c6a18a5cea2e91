/** A file being written, at any position; it appears under its name only once it is complete. */
export interface OutputFile {
  write(data: Uint8Array, position: number): Promise<void>;
  /** Closes the file and gives it its name, replacing an older file of that name. */
  commit(): Promise<void>;
  /** Closes the file and removes what was written. Idempotent, also after `commit`. */
  discard(): Promise<void>;
}

/**
 * Where results go: a folder on disk (Node), an OPFS folder (browser), or memory.
 *
 * Paths are relative, with `/`. Writes are atomic: a reader sees the whole old file, the whole new one, or none.
 * Every method throws `OutputError`: `disk-full` on ENOSPC or an exceeded quota, `not-writable` without permission, else `write-failed`.
 */
export interface OutputFolder {
  /** For messages: the folder's path or name. */
  readonly label: string;
  writeFile(path: string, data: Uint8Array | string): Promise<void>;
  /** The file's bytes, or undefined if there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Names of the files in a folder, sorted; empty if there is no such folder. */
  list(folder: string): Promise<string[]>;
  createFile(path: string): Promise<OutputFile>;
  remove(path: string): Promise<void>;
  /** Removes what killed runs left half-written in a folder. */
  removeUnfinished(folder: string): Promise<void>;
}
