import { type AppendFile, OutputError, type ProjectStorage } from '../io/index.js';
import { SessionError } from './errors.js';
import { isProjectLine, type ProjectHeader, type ProjectLine } from './events.js';
import { checkSource } from './fingerprint.js';
import { History } from './history.js';
import { MaskStore, scanLines } from './mask-store.js';
import { frameAt } from './state.js';

const BEGINNING = '{"format":"samtrack-session"';
const encode = (line: ProjectHeader | ProjectLine) => new TextEncoder().encode(`${JSON.stringify(line)}\n`);

/** A session's events and masks where they are kept. Whoever has it open is the only one who writes. */
export class Project {
  private constructor(
    private readonly file: AppendFile,
    private readonly unlock: () => Promise<void>,
    readonly header: ProjectHeader,
    readonly history: History,
    readonly masks: MaskStore,
    /** Whether the project file ended in the middle of a line, which was never confirmed and is dropped. */
    readonly repaired: boolean,
  ) {}

  /**
   * Opens a project, or begins one.
   * @throws SessionError `corrupt`, `version`, `source-mismatch`, `tracker-mismatch`; OutputError `busy` and what writing throws
   */
  static async open(storage: ProjectStorage, now: ProjectHeader): Promise<Project> {
    const unlock = await storage.lock();
    let file: AppendFile | undefined;
    try {
      file = await storage.open('');
      // What stands beside a project that is only about to begin is somebody else's.
      const [stranger] = file.size === 0 ? await storage.list() : [];
      if (stranger !== undefined) {
        throw new OutputError(
          'foreign',
          file.label,
          `its folder of masks holds ${stranger}, but there is no project yet`,
        );
      }
      const { header, lines, repaired } = await readLog(file, now);
      checkSource(file.label, header.source, now.source);
      checkTracker(file.label, header, now);
      const history = new History();
      for (const [i, line] of lines.entries()) applyLine(history, line, file.label, i + 2);
      const masks = await MaskStore.open(storage, now.source);
      const project = new Project(file, unlock, header, history, masks, repaired);
      await project.#reconcile();
      return project;
    } catch (error) {
      await file?.close();
      await unlock();
      throw error;
    }
  }

  /** Adds a line; it counts once it is stored. Throws `OutputError`, and nothing has changed then. */
  async append(line: ProjectLine): Promise<void> {
    const before = this.file.size;
    await this.file.append(encode(line));
    try {
      await this.file.sync();
    } catch (error) {
      await this.file.truncate(before).catch(() => {});
      throw error;
    }
    this.history.apply(line);
  }

  async close(): Promise<void> {
    try {
      await this.file.close();
      await this.masks.close();
    } finally {
      await this.unlock();
    }
  }

  /** Notes how far propagations came that a killed process could not. */
  async #reconcile(): Promise<void> {
    for (const { seq, event } of [...this.history.nodes]) {
      if (event.type !== 'propagate') continue;
      let frames = 0;
      for (let at = frameAt(event, 0); at && this.masks.has(seq, at.frame); at = frameAt(event, frames)) frames++;
      if (frames > this.history.done(seq)) await this.append({ stopped: seq, frames });
    }
  }
}

async function readLog(
  file: AppendFile,
  now: ProjectHeader,
): Promise<{ header: ProjectHeader; lines: ProjectLine[]; repaired: boolean }> {
  const decoder = new TextDecoder();
  const beginning = decoder.decode(await file.read(0, BEGINNING.length));
  if (!BEGINNING.startsWith(beginning)) throw new SessionError('corrupt', `${file.label} is no project of samtrack`);
  const texts: string[] = [];
  const end = await scanLines(file, (bytes) => texts.push(decoder.decode(bytes)));
  const repaired = end < file.size;
  if (repaired) await file.truncate(end);
  if (texts.length === 0) {
    await file.append(encode(now));
    await file.sync();
    return { header: now, lines: [], repaired };
  }
  const values = texts.map((text, i) => {
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw new SessionError('corrupt', `${file.label}: line ${i + 1} is damaged`, { cause });
    }
  });
  const header = values[0] as ProjectHeader;
  if (header.version !== 1) {
    throw new SessionError('version', `${file.label} is of version ${header.version}; this program reads version 1`);
  }
  const lines = values.slice(1).map((value, i) => {
    if (!isProjectLine(value)) throw new SessionError('corrupt', `${file.label}: line ${i + 2} says nothing known`);
    return value;
  });
  return { header, lines, repaired };
}

function applyLine(history: History, line: ProjectLine, file: string, number: number): void {
  try {
    history.apply(line);
  } catch (cause) {
    throw new SessionError('corrupt', `${file}: line ${number}: ${(cause as Error).message}`, { cause });
  }
}

/** Masks of another model, or of the same one with other options, do not go together. */
function checkTracker(file: string, { tracker: before }: ProjectHeader, { tracker: now }: ProjectHeader): void {
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    // Weights are known by their content; projects of earlier versions know them by name only.
    const known = before.weightsDigest !== undefined;
    if (key === (known ? 'weights' : 'weightsDigest')) continue;
    if (before[key] !== now[key]) {
      const said = (value: unknown) => ((value ?? null) === null ? 'not given' : JSON.stringify(value));
      const what =
        key === 'weightsDigest'
          ? `weights were ${said(before.weights)}; ${said(now.weights)} has other content`
          : `${key} was ${said(before[key])} and is now ${said(now[key])}`;
      throw new SessionError('tracker-mismatch', `${file}: ${what}`);
    }
  }
}
