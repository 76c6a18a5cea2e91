/** What the ledger of a job says, line by line, and what follows from it. */

/** A stored file. */
export interface StoredFile {
  /** In the results. */
  path: string;
  /** In the storage. */
  object: string;
  bytes: number;
  sha256: string;
}

/** A stored archive of files of the results. */
export type Chunk = Omit<StoredFile, 'path'>;

/** A line of the ledger: what happened to a job, in order. */
export type Entry =
  /** A worker takes the job. Its line number is the fencing token of all that it writes. */
  | { type: 'claim'; run: string; attempt: number; worker: string; host: string; spec?: unknown }
  /** Results up to here are stored: `frames` are done. `latest` are files whose earlier states are gone. */
  | { type: 'commit'; claim: number; frames: number; chunk: Chunk; latest?: StoredFile[] }
  /** The job is given back, with all that is done committed. `missing`: something that it reads was not there. */
  | { type: 'release'; claim: number; reason: string; missing?: true }
  /** The process that worked on it died. */
  | { type: 'crash'; claim: number; reason: string }
  /** Commits from line `from` on are not what was written: they count for nothing. */
  | { type: 'void'; claim: number; from: number; reason: string }
  | {
      type: 'done';
      claim: number;
      frames: number;
      /** Seconds of work, over all claims that told. */
      seconds: number;
      chunk?: Chunk;
      files: StoredFile[];
      notes: string[];
    }
  /** It cannot be done: wrong usage, bad media. */
  | { type: 'failed'; claim: number; code: string; message: string }
  /** It kills workers. */
  | { type: 'quarantine'; claim: number; reason: string }
  /** Someone wants it tried again. `damaged`: although it was done, since what is stored is not what was written any more. */
  | { type: 'retry'; damaged?: string };

/** A worker took the job. */
export type Claim = Extract<Entry, { type: 'claim' }>;
/** Results were stored. */
export type Commit = Extract<Entry, { type: 'commit' }>;
/** All results are stored. */
export type Done = Extract<Entry, { type: 'done' }>;

/** Crashes on this many hosts make a job poison. */
const POISON_HOSTS = 2;
/** So do this many on any host ... */
const POISON_CRASHES = 3;
/** ... and this many claims of which nobody heard again: their machines went with them. */
const POISON_SILENT = 10;

/** Where a job stands, by its ledger. */
export interface LedgerState {
  status: 'new' | 'open' | 'done' | 'failed' | 'quarantined';
  /** Line and content of the claim in force. */
  claim: { line: number; entry: Claim } | undefined;
  /** Commits that count, by their lines. */
  commits: readonly { line: number; entry: Commit }[];
  /** Files of which only the latest state is stored. */
  latest: readonly StoredFile[];
  done: Done | undefined;
  /** Why it failed or is in quarantine. */
  reason: string | undefined;
  /** Why it would be dangerous to claim it once more. */
  poison: string | undefined;
  /** Whether a worker missed something that it reads, since it last got anywhere. */
  missing: boolean;
  /** Frames that are stored. */
  frames: number;
  spec: unknown;
}

/** What follows from the lines of a ledger. */
export function stateOf(entries: readonly Entry[]): LedgerState {
  let claim: LedgerState['claim'];
  let commits: { line: number; entry: Commit }[] = [];
  let status: LedgerState['status'] = 'new';
  let reason: string | undefined;
  let done: Done | undefined;
  let spec: unknown;
  // Since something was committed last.
  let crashes: { host: string; reason: string }[] = [];
  let silent = 0;
  let heard = true;
  let missing = false;
  for (const [line, entry] of entries.entries()) {
    switch (entry.type) {
      case 'claim':
        if (!heard) silent++;
        heard = false;
        claim = { line, entry };
        status = 'open';
        spec ??= entry.spec;
        break;
      case 'commit':
        commits.push({ line, entry });
        missing = false;
        crashes = [];
        silent = 0;
        heard = true;
        break;
      case 'void':
        commits = commits.filter((commit) => commit.line < entry.from);
        break;
      case 'release':
        missing = entry.missing ?? missing;
        heard = true;
        break;
      case 'crash':
        heard = true;
        crashes.push({ host: claim!.entry.host, reason: entry.reason });
        break;
      case 'done':
        status = 'done';
        done = entry;
        break;
      case 'failed':
        status = 'failed';
        reason = entry.message;
        break;
      case 'quarantine':
        status = 'quarantined';
        reason = entry.reason;
        break;
      case 'retry':
        if (status === 'done' && entry.damaged === undefined) break;
        done = undefined;
        status = claim ? 'open' : 'new';
        reason = undefined;
        missing = false;
        crashes = [];
        silent = 0;
        heard = true;
        break;
    }
  }
  const frames = done?.frames ?? commits.at(-1)?.entry.frames ?? 0;
  const latest = commits.at(-1)?.entry.latest ?? [];
  const poison = poisonOf(crashes, heard ? silent : silent + 1);
  return { status, claim, commits, latest, done, reason, poison, missing, frames, spec };
}

function poisonOf(crashes: readonly { host: string; reason: string }[], silent: number): string | undefined {
  const hosts = [...new Set(crashes.map(({ host }) => host))];
  const last = crashes.at(-1)?.reason;
  if (hosts.length >= POISON_HOSTS) return `it crashed on ${hosts.join(' and ')}: ${last}`;
  if (crashes.length >= POISON_CRASHES) return `it crashed ${crashes.length} times on ${hosts[0]}: ${last}`;
  if (silent >= POISON_SILENT) return `${silent} workers that took it were never heard of again`;
  return undefined;
}
