import { randomUUID } from 'node:crypto';
import { FarmError } from '../errors.js';
import type { Storage } from '../storage/storage.js';
import { type Claim, type Entry, type LedgerState, stateOf } from './entries.js';

/** An entry without the fencing token: the ledger puts in that of its claim. */
type Unclaimed<T> = T extends { claim: number } ? Omit<T, 'claim'> : never;
export type OwnEntry = Unclaimed<Entry>;

/** Where a job's ledger, chunks and files are. */
export const jobFolder = (key: string) => `jobs/${key.slice(0, 2)}/${key}`;

const nameOf = (line: number) => `${String(line).padStart(6, '0')}.json`;

/**
 * The log of a job in the storage: one small object a line, each created under the next free number, never changed.
 *
 * Two workers cannot both write a line, so the ledger decides who owns the job, with nothing asked of clocks or of the queue: whoever
 * wants to add a line to it must have read all before, and a worker that finds a newer claim there has lost the job. The line
 * of its claim is its fencing token.
 */
export class Ledger {
  #entries: Entry[] = [];
  #state: LedgerState = stateOf([]);
  /** Line of the claim made here. */
  #claim: number | undefined;

  private constructor(
    private readonly storage: Storage,
    readonly key: string,
  ) {}

  /** Opens a ledger and reads what it says. Throws as `Storage`; `storage-damaged` for a line that is none. */
  static async open(storage: Storage, key: string): Promise<Ledger> {
    const ledger = new Ledger(storage, key);
    await ledger.refresh();
    return ledger;
  }

  get state(): LedgerState {
    return this.#state;
  }

  /** The fencing token: line of the claim made here. @throws FarmError `fenced` without one */
  get token(): number {
    if (this.#claim === undefined) throw this.#fenced();
    return this.#claim;
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** Reads the lines that were added since. */
  async refresh(): Promise<LedgerState> {
    const names = await this.storage.list(this.#folder);
    for (let line = this.#entries.length; line < names.length; line++) await this.#take(line);
    return this.#state;
  }

  /**
   * Takes the job, as the `attempt`th start of a run of it in the queue.
   * @throws FarmError `fenced` if a later attempt of the same run has it, or it has come to an end
   */
  async claim(claim: Omit<Claim, 'type' | 'spec'>, spec: unknown): Promise<void> {
    for (;;) {
      const holder = this.#state.claim?.entry;
      const ended = !['new', 'open'].includes(this.#state.status);
      if (ended || (holder?.run === claim.run && holder.attempt > claim.attempt)) throw this.#fenced();
      const entry: Entry = { type: 'claim', ...claim, ...(this.#state.spec === undefined ? { spec } : {}) };
      const line = await this.#add(entry);
      if (line !== undefined) {
        this.#claim = line;
        return;
      }
    }
  }

  /**
   * Adds a line as the one who has claimed the job.
   * @throws FarmError `fenced` if another one has it now, or it came to an end
   */
  async append(entry: OwnEntry): Promise<void> {
    for (;;) {
      if (this.#claim === undefined || this.#state.claim?.line !== this.#claim || this.#state.status !== 'open') {
        throw this.#fenced();
      }
      if ((await this.#add({ ...entry, claim: this.#claim } as Entry)) !== undefined) return;
    }
  }

  /** Takes over the claim of a process that has died, to tell of it. @returns false if the job has another holder now */
  adopt({ run, attempt, worker }: Pick<Claim, 'run' | 'attempt' | 'worker'>): boolean {
    const holder = this.#state.claim;
    if (holder?.entry.run !== run || holder.entry.attempt !== attempt || holder.entry.worker !== worker) return false;
    this.#claim = holder.line;
    return true;
  }

  /** Lets a failed job, or one in quarantine, be tried again. @returns whether it was one */
  async retry(): Promise<boolean> {
    while (this.#state.status === 'failed' || this.#state.status === 'quarantined') {
      if ((await this.#add({ type: 'retry' })) !== undefined) return true;
    }
    return false;
  }

  /** Lets a job be done again of which something that is stored is damaged. @returns whether it was done */
  async redo(damaged: string): Promise<boolean> {
    while (this.#state.status === 'done') {
      if ((await this.#add({ type: 'retry', damaged })) !== undefined) return true;
    }
    return false;
  }

  /** Puts a job aside that nobody works on, or takes it from who does. */
  async quarantine(reason: string): Promise<void> {
    while (this.#state.status !== 'quarantined' && this.#state.status !== 'done') {
      await this.#add({ type: 'quarantine', claim: this.#state.claim?.line ?? -1, reason });
    }
  }

  get #folder(): string {
    return `${jobFolder(this.key)}/log`;
  }

  /** Writes the next line. @returns its number; undefined if another one came first, which has been read then */
  async #add(entry: Entry): Promise<number | undefined> {
    const line = this.#entries.length;
    // The mark tells a line of ours, of which only the answer was lost, from another one's.
    const mark = randomUUID();
    const path = `${this.#folder}/${nameOf(line)}`;
    const bytes = new TextEncoder().encode(`${JSON.stringify({ ...entry, mark, time: new Date().toISOString() })}\n`);
    const created = await this.storage.create(path, bytes);
    const found = await (created ? this.#keep(entry) : this.#take(line));
    return created || found === mark ? line : undefined;
  }

  /** Reads a line. @returns its mark */
  async #take(line: number): Promise<string> {
    const path = `${this.#folder}/${nameOf(line)}`;
    const bytes = await this.storage.read(path);
    let entry: Entry & { mark: string; time: string };
    try {
      entry = JSON.parse(new TextDecoder().decode(bytes));
    } catch (cause) {
      throw new FarmError(
        'storage-damaged',
        `${this.storage.label}/${path}`,
        `${bytes ? 'not a line of a ledger' : 'missing'}; without the folder ${jobFolder(this.key)} the job begins anew`,
        {
          cause,
        },
      );
    }
    this.#keep(entry);
    return entry.mark;
  }

  #keep(entry: Entry): void {
    this.#entries.push(entry);
    this.#state = stateOf(this.#entries);
  }

  #fenced(): FarmError {
    const { claim, status } = this.#state;
    const why = status === 'open' ? `${claim?.entry.worker ?? 'another worker'} has taken it over` : `it is ${status}`;
    return new FarmError('fenced', this.key, why);
  }
}
