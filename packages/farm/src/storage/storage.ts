/**
 * Where results live: objects by path, with `/`. Writes are atomic: a reader sees all of an object or nothing.
 * Every method throws `FarmError`: `storage-away`, `storage-full`, `storage-unsuitable`.
 */
export interface Storage {
  /** Its path or URL, for messages. */
  readonly label: string;
  /** Tells one storage from another, wherever it is mounted. */
  readonly id: string;
  /** The bytes of an object; undefined if there is none. */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Copies an object into a local file. @returns false if there is no such object */
  download(path: string, file: string): Promise<boolean>;
  /** Writes an object, in the place of one that is there. */
  write(path: string, data: Uint8Array): Promise<void>;
  /** Copies a local file into an object. */
  upload(path: string, file: string): Promise<void>;
  /** Writes an object that must not be there. @returns false if there is one: it stays as it is */
  create(path: string, data: Uint8Array): Promise<boolean>;
  /** Names of the objects in a folder, sorted. */
  list(folder: string): Promise<string[]>;
  /** Names of the folders in a folder, sorted. */
  folders(folder: string): Promise<string[]>;
  /** Removes an object; harmless where there is none. */
  remove(path: string): Promise<void>;
  /** Lets go of connections. */
  close(): void;
}

/** The object that makes a folder or bucket a storage: without it, a share that is not mounted would look like an empty one. */
export const MARKER = 'samtrack-storage.json';

export const markerText = (id: string) => `${JSON.stringify({ format: 'samtrack-storage', version: 1, id })}\n`;

/** The id in a marker; undefined for something else. */
export function markerId(bytes: Uint8Array): string | undefined {
  try {
    const { format, version, id } = JSON.parse(new TextDecoder().decode(bytes));
    return format === 'samtrack-storage' && version === 1 && typeof id === 'string' ? id : undefined;
  } catch {
    return undefined;
  }
}
