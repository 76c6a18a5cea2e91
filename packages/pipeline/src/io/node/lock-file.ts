import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync, rmSync } from 'node:fs';
import { open, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { OutputError } from '../errors.js';
import { makeFolder } from './make-folder.js';
import { outputError } from './output-error.js';

/** Who holds a lock, as it stands in the lock file. */
interface Holder {
  pid: number;
  /** When the process began, in the system's own unit; null where that cannot be told. Numbers of processes are used again. */
  began: string | null;
  host: string;
  /** Within which process numbers mean something: containers have their own. */
  namespace: string | null;
  /** When the lock was taken. */
  since: string;
  token: string;
}

/** How often a holder shows that it lives, and after which silence it is taken for gone where nothing better tells. */
const HEARTBEAT = 5_000;
const SILENCE = 120_000;
/** A lock without content belongs to a process that is just writing it, or was killed at that. */
const WRITING = 10_000;

function beginOf(pid: number): string | null {
  try {
    // Field 22, counted behind the name, which may hold spaces and brackets.
    return readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/s, '').trim().split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function namespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return null;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

function parse(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Holder;
    return typeof holder?.pid === 'number' ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** Milliseconds since a file was touched, by the clock that times its file system. */
async function silenceOf(path: string): Promise<number> {
  const probe = `${path}.${randomUUID().slice(0, 8)}`;
  try {
    await writeFile(probe, '');
    const now = (await stat(probe)).mtimeMs;
    return now - (await stat(path)).mtimeMs;
  } catch {
    return 0;
  } finally {
    await rm(probe, { force: true });
  }
}

/** Whether nobody holds the lock any more. */
async function isAbandoned(path: string, holder: Holder | undefined): Promise<boolean> {
  if (!holder) return (await silenceOf(path)) > WRITING;
  if (holder.host === hostname() && (holder.namespace ?? namespace()) === namespace()) {
    if (!isRunning(holder.pid)) return true;
    const began = beginOf(holder.pid);
    if (began !== null && holder.began) return began !== holder.began;
  }
  return (await silenceOf(path)) > SILENCE;
}

/** Creates a file with content, unless there is one. @returns whether it did */
async function create(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx');
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    await rm(path, { force: true }).catch(() => {});
    throw outputError(path, cause);
  }
}

/**
 * Takes a lock file, on any platform and file system. A lock whose process is gone is taken over at once on the same machine, and from
 * others once they have been silent for two minutes.
 *
 * @param label what is locked, for messages
 * @returns a function that gives it back; the end of the process does so, too
 * @throws OutputError `busy` while another holds it
 */
export async function takeLock(path: string, label: string): Promise<() => Promise<void>> {
  const { pid } = process;
  const own: Holder = {
    pid,
    began: beginOf(pid),
    host: hostname(),
    namespace: namespace(),
    since: new Date().toISOString(),
    token: randomUUID(),
  };
  const text = `${JSON.stringify(own)}\n`;
  await makeFolder(dirname(path)).catch((cause) => {
    throw outputError(path, cause);
  });
  if (!(await create(path, text)) && !(await takeOver(path, text))) {
    const holder = parse(await readFile(path, 'utf8').catch(() => ''));
    const since = holder?.since ? `, since ${holder.since},` : '';
    const who = holder ? `process ${holder.pid} on ${holder.host}${since}` : 'another process';
    throw new OutputError('busy', label, `${who} writes to it; if it does not, delete ${path}`);
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT);
  beat.unref();
  const atExit = () => rmSync(path, { force: true });
  process.once('exit', atExit);
  return async () => {
    clearInterval(beat);
    process.off('exit', atExit);
    await rm(path, { force: true });
  };
}

/** Replaces an abandoned lock. Only one process at a time may, so that none removes the lock that another has just taken. */
async function takeOver(path: string, text: string): Promise<boolean> {
  const before = await readFile(path, 'utf8').catch(() => '');
  if (!(await isAbandoned(path, parse(before)))) return false;
  const gate = `${path}.takeover`;
  if (!(await create(gate, ''))) {
    if ((await silenceOf(gate)) > WRITING) await rm(gate, { force: true });
    return false;
  }
  try {
    if ((await readFile(path, 'utf8').catch(() => before)) !== before) return false;
    await rm(path, { force: true });
    return await create(path, text);
  } finally {
    await rm(gate, { force: true });
  }
}
