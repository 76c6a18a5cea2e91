import type { AppendFile } from './project-storage.js';
import type { RunInput } from './run-inputs.js';

/** A file being written, at any position; it appears under its name only once it is complete. */
export interface OutputFile {
  /** Adds bytes. */
  write(data: Uint8Array, position: number): Promise<void>;
  /**
   * Closes the file and gives it its name, replacing an older file of that name.
   * @param onDigest is told what the file holds (see `contentDigest`), before it gets its name where the platform allows
   */
  commit(onDigest?: (digest: string) => Promise<void>): Promise<void>;
  /** Closes the file and removes what was written. Idempotent, also after `commit`. */
  discard(): Promise<void>;
}

/**
 * Where results go: a folder on disk (Node), an OPFS folder (browser), or memory. It writes whatever it is told to; `OwnedFolder` is what
 * keeps it from what samtrack did not make.
 *
 * Paths are relative, with `/`. Writes are atomic: a reader sees the whole old file, the whole new one, or none.
 * Every method throws `OutputError`: `disk-full` on ENOSPC or an exceeded quota, `not-writable` without permission, else `write-failed`.
 */
export interface OutputFolder {
  /** For messages: the folder's path or name. */
  readonly label: string;
  /** Part of the names that unfinished files have. */
  readonly token: string;
  /** Writes a whole file, at once or not at all. */
  writeFile(path: string, data: Uint8Array | string): Promise<void>;
  /** The file's bytes, or undefined if there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** The file's `contentDigest`; undefined if there is none, null for what is no plain file: a link, a folder. */
  digest(path: string): Promise<string | undefined | null>;
  /** Names of the files in a folder, sorted; empty if there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** A file to write in pieces; it takes its name when it is committed. */
  createFile(path: string): Promise<OutputFile>;
  /** Opens a file that grows at its end, and creates it where there is none. */
  openAppend(path: string): Promise<AppendFile>;
  /** Removes a file or an empty folder; harmless where there is none. */
  remove(path: string): Promise<void>;
  /** Removes what samtrack made in a folder, where the folder knows what that is. */
  clear?(folder: string): Promise<void>;
  /** Removes what runs of these tokens left half-written in a folder. */
  removeUnfinished(folder: string, tokens: ReadonlySet<string>): Promise<void>;
  /** Throws where it is known beforehand that nothing can be written to the folder. Leaves nothing behind. */
  checkWritable?(): Promise<void>;
  /**
   * Keeps other writers away.
   * @returns a function that lets them in again
   * @throws OutputError `busy` while somebody else writes
   */
  lock(): Promise<() => Promise<void>>;
  /**
   * Knows the inputs of a run wherever links, relative paths and the case of letters lead.
   * @returns a function that throws `OutputError` (`input`) where a change of the path, or of something in it if it ends in `/`, would touch one of them
   */
  guard(inputs: readonly RunInput[]): Promise<(path: string) => Promise<void>>;
}
