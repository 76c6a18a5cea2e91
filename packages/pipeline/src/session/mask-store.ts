import type { AppendFile, LabelMap, ProjectStorage } from '../io/index.js';
import { compressRle, decompressRle, labelMapToRles, rleArea } from '../io/index.js';
import { SessionError } from './errors.js';
import { paintRle } from './masks.js';

/** What a propagation gave for a frame, beside the masks. */
export interface FrameStats {
  /** Objects with pixels in the frame, ascending. */
  readonly ids: readonly number[];
  /** Their pixels. */
  readonly areas: readonly number[];
  /** 1 less the mean entropy of their pixels; 1 in reference frames. Objects that the tracker knows and does not see have none. */
  readonly certainty: readonly number[];
  /** Objects that the tracker says are not in the frame, and how sure it is of that, 0..1. */
  readonly gone?: readonly (readonly [id: number, certainty: number])[] | undefined;
}

interface Entry extends FrameStats {
  offset: number;
  length: number;
}

/** One line of a store file. */
interface Line {
  frame: number;
  ids: number[];
  areas: number[];
  certainty: number[];
  gone?: (readonly [id: number, certainty: number])[];
  /** COCO's compressed run lengths. */
  masks: string[];
}

interface PassFile {
  /** Undefined while it is closed. */
  file: AppendFile | undefined;
  frames: Map<number, Entry>;
}

const CHUNK = 1 << 20;
/** Files that are open at once: a session may have more propagations than a process may have files. */
const MAX_OPEN = 16;
const NEWLINE = 10;
const fileName = (pass: number) => `${pass}.jsonl`;

/**
 * The masks that propagations gave, one file each, one line a frame. All of it can be computed again from the events and the
 * video, so a line that was cut short is dropped. Only where the lines are stays in memory, with areas and certainties.
 */
export class MaskStore {
  readonly #passes = new Map<number, PassFile>();
  /** Passes whose files are open, the one used last at the end. */
  readonly #open = new Set<number>();
  /** Numbers that the index holds. */
  #numbers = 0;

  private constructor(
    private readonly storage: ProjectStorage,
    private readonly width: number,
    private readonly height: number,
  ) {}

  /** Opens what is stored; reads it once. */
  static async open(storage: ProjectStorage, size: { width: number; height: number }): Promise<MaskStore> {
    const store = new MaskStore(storage, size.width, size.height);
    for (const name of await storage.list()) {
      const pass = Number(/^(\d+)\.jsonl$/.exec(name)?.[1]);
      if (Number.isInteger(pass)) await store.#file(pass);
    }
    return store;
  }

  /** Whether the masks of a frame are stored. */
  has(pass: number, frame: number): boolean {
    return this.#passes.get(pass)?.frames.has(frame) ?? false;
  }

  stats(pass: number, frame: number): FrameStats | undefined {
    return this.#passes.get(pass)?.frames.get(frame);
  }

  /** Frames that any of the passes has, and the given ones, ascending. */
  frames(passes: readonly number[], more: Iterable<number> = []): number[] {
    const frames = new Set(more);
    for (const pass of passes) for (const frame of this.#passes.get(pass)?.frames.keys() ?? []) frames.add(frame);
    return [...frames].sort((a, b) => a - b);
  }

  /** Bytes of the index in memory. */
  get indexBytes(): number {
    return 8 * this.#numbers;
  }

  /**
   * Stores the masks of a frame; what is there already stays. Throws `OutputError`, with nothing stored.
   * @param gone Objects that the tracker says are not there, and how sure it is.
   */
  async add(
    pass: number,
    frame: number,
    labels: LabelMap,
    certaintyOf: (id: number) => number,
    gone: Iterable<readonly [id: number, certainty: number]> = [],
  ): Promise<void> {
    if (this.has(pass, frame)) return;
    const { file, frames } = await this.#file(pass);
    const line: Line = { frame, ids: [], areas: [], certainty: [], masks: [] };
    for (const [id, rle] of labelMapToRles(labels)) {
      line.ids.push(id);
      line.areas.push(rleArea(rle));
      line.certainty.push(rounded(certaintyOf(id)));
      line.masks.push(compressRle(rle).counts);
    }
    const absent = [...gone].map(([id, certainty]) => [id, rounded(certainty)] as const);
    if (absent.length > 0) line.gone = absent;
    const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
    const offset = await file.append(bytes);
    this.#enter(frames, line, offset, bytes.length);
  }

  /** The masks of a frame, or nothing if they are not stored. */
  async read(pass: number, frame: number): Promise<LabelMap | undefined> {
    const entry = this.#passes.get(pass)?.frames.get(frame);
    if (!entry) return undefined;
    const { file } = await this.#file(pass);
    const line = parseLine(await file.read(entry.offset, entry.length));
    if (!line) throw new SessionError('corrupt', `${file.label}: the masks of frame ${frame} cannot be read`);
    const labels: LabelMap = {
      width: this.width,
      height: this.height,
      data: new Uint16Array(this.width * this.height),
    };
    for (const [i, id] of line.ids.entries()) {
      paintRle(labels, decompressRle({ size: [this.height, this.width], counts: line.masks[i]! }), id);
    }
    return labels;
  }

  /** Waits until what was added to a pass would survive a loss of power. */
  async sync(pass: number): Promise<void> {
    await this.#passes.get(pass)?.file?.sync();
  }

  async close(): Promise<void> {
    for (const { file } of this.#passes.values()) await file?.close();
    this.#passes.clear();
  }

  #enter(
    frames: Map<number, Entry>,
    { frame, ids, areas, certainty, gone }: Line,
    offset: number,
    length: number,
  ): void {
    frames.set(frame, { ids, areas, certainty, gone, offset, length });
    this.#numbers += 5 + 3 * ids.length + 2 * (gone?.length ?? 0);
  }

  /** A pass's file, open; read through when it is first opened. */
  async #file(pass: number): Promise<PassFile & { file: AppendFile }> {
    const known = this.#passes.get(pass);
    const file = known?.file ?? (await this.storage.open(fileName(pass)));
    const frames = known?.frames ?? new Map<number, Entry>();
    if (!known) {
      const end = await scanLines(file, (bytes, offset) => {
        const line = parseLine(bytes);
        if (line) this.#enter(frames, line, offset, bytes.length);
      });
      if (end < file.size) await file.truncate(end);
    }
    const opened = { file, frames };
    this.#passes.set(pass, opened);
    this.#open.delete(pass);
    this.#open.add(pass);
    const [oldest] = this.#open;
    if (this.#open.size > MAX_OPEN) await this.#shut(oldest!);
    return opened;
  }

  async #shut(pass: number): Promise<void> {
    this.#open.delete(pass);
    const { file, frames } = this.#passes.get(pass)!;
    this.#passes.set(pass, { file: undefined, frames });
    await file?.close();
  }
}

const rounded = (share: number): number => Math.round(share * 1e4) / 1e4;

function parseLine(bytes: Uint8Array): Line | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Line;
  } catch {
    return undefined;
  }
}

/**
 * Reads a file line by line, newline included.
 * @returns where the last whole line ends
 */
export async function scanLines(
  file: AppendFile,
  onLine: (bytes: Uint8Array, offset: number) => void,
): Promise<number> {
  let rest = new Uint8Array();
  let end = 0;
  for (let at = 0; at < file.size; at += CHUNK) {
    const chunk = await file.read(at, CHUNK);
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    let begin = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, begin);
      if (newline < 0) break;
      onLine(bytes.subarray(begin, newline + 1), end);
      end += newline + 1 - begin;
      begin = newline + 1;
    }
    rest = bytes.slice(begin);
  }
  return end;
}
