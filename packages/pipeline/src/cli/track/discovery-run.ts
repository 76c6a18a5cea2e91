/** New objects of a run of `samtrack track`: what is written about them, and what an interrupted run left. */

import { type CandidateSource, type DiscoveredObject, Discoverer } from '../../discovery/index.js';
import type { ObjectInfo, ResultWriter } from '../../export/index.js';
import { compressRle, decompressRle } from '../../io/index.js';
import type { RunMemory } from '../../tracking/run-memory.js';
import type { Report } from '../common/progress.js';
import type { DiscoverySettings } from './discovery-options.js';

const OBJECTS_FILE = 'objects.json';
const CANDIDATES_FILE = 'candidates.json';

export interface DiscoveryRunOptions {
  /** Takes the results; what was found goes to the same folder. */
  writer: ResultWriter;
  /** What an earlier run's tracker remembered. */
  memory: RunMemory | undefined;
  settings: DiscoverySettings;
  candidates: CandidateSource;
  /** Gets names and classes of new objects, for the other results. */
  infos: Map<number, ObjectInfo>;
  report: Report;
}

/** A discoverer whose objects are kept in `objects.json` and named in the other results. */
export class DiscoveryRun {
  readonly discoverer: Discoverer;
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    private readonly options: DiscoveryRunOptions,
    before: readonly DiscoveredObject[],
  ) {
    const { settings, candidates, report } = options;
    this.discoverer = new Discoverer({
      ...settings.options,
      candidates,
      objects: before,
      onDiscovery: ({ frame, accepted, queued }) => {
        if (queued.length > 0) report.note(`frame ${frame.name}: ${queued.length} candidates for review`);
        if (accepted.length === 0) return;
        const what = accepted.map(({ id, label }) => (label ? `${id} (${label})` : id)).join(', ');
        report.note(`frame ${frame.name}: new ${what}`);
        this.describe();
        this.writing = this.writing.then(() => this.write());
        // A failure surfaces in `finish`; until then it must not count as unhandled.
        this.writing.catch(() => {});
      },
      onFull: (frame, error) => report.note(`frame ${frame.name}: no more new objects. ${error.message}`),
    });
    this.describe();
  }

  static async open(options: DiscoveryRunOptions): Promise<DiscoveryRun> {
    const { folder, done } = options.writer;
    const isAgain = (frame: number) => options.memory?.isBefore(frame) ?? false;
    const bytes = done.size > 0 ? await folder.readFile(OBJECTS_FILE) : undefined;
    const stored: DiscoveredObject[] = bytes ? JSON.parse(new TextDecoder().decode(bytes)).objects : [];
    // What was found in a frame without a result will be found again.
    const before = stored.filter(
      ({ frame, frameName }) => frameName === undefined || (done.has(frameName) && !isAgain(frame)),
    );
    const run = new DiscoveryRun(options, before);
    options.writer.atEnd(() => run.finish());
    const waiting = done.size > 0 ? await folder.readFile(CANDIDATES_FILE) : undefined;
    for (const entry of waiting ? JSON.parse(new TextDecoder().decode(waiting)).candidates : []) {
      if (isAgain(entry.firstFrame)) continue;
      const mask = decompressRle(entry.mask);
      run.discoverer.queue.add(entry.frame, [{ ...entry, mask, candidate: { ...entry, mask } }]);
    }
    return run;
  }

  /** Whether neither this run nor the one it goes on with found anything. */
  get foundNothing(): boolean {
    return this.discoverer.objects.length === 0 && this.discoverer.queue.waiting.length === 0;
  }

  /** Waits for what is being written, and writes the rest. @returns names of the files */
  private async finish(): Promise<string[]> {
    await this.writing;
    await this.write();
    const { writer, settings } = this.options;
    if (!settings.options.review) return [OBJECTS_FILE];
    const candidates = this.discoverer.queue.waiting.map(({ candidate: _, mask, ...entry }) => ({
      ...entry,
      mask: compressRle(mask),
    }));
    await writer.folder.writeFile(CANDIDATES_FILE, toText({ format: 'samtrack-candidates', version: 1, candidates }));
    return [OBJECTS_FILE, CANDIDATES_FILE];
  }

  private write(): Promise<void> {
    const { objects } = this.discoverer;
    return this.options.writer.folder.writeFile(
      OBJECTS_FILE,
      toText({ format: 'samtrack-objects', version: 1, objects }),
    );
  }

  private describe(): void {
    for (const { id, label } of this.discoverer.objects) {
      if (label !== undefined) this.options.infos.set(id, { label, name: `${label} ${id}` });
    }
  }
}

const toText = (value: unknown) => `${JSON.stringify(value, null, 1)}\n`;
