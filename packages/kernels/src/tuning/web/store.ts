import { TuningError } from '../error.js';
import { loadUsable, type TuningStore } from '../store.js';
import { type AdapterIdentity, TuningTable, tableName } from '../table.js';

const CACHE = 'samtrack-tuning';

/** Tables in the browser's Cache API, which pages and workers of an origin share. */
export class CacheTuningStore implements TuningStore {
  /** The address that a table is kept under; nothing is ever fetched from it. */
  #address(adapter: AdapterIdentity): string {
    return `/${CACHE}/${tableName(adapter)}.json`;
  }

  async load(adapter: AdapterIdentity): Promise<TuningTable | undefined> {
    const address = this.#address(adapter);
    let text: string | undefined;
    try {
      const cache = await caches.open(CACHE);
      text = await (await cache.match(address))?.text();
    } catch (cause) {
      throw new TuningError('unreadable', `The cache of this origin cannot be read: ${(cause as Error).message}`, {
        cause,
      });
    }
    return text === undefined ? undefined : TuningTable.parse(text, adapter, address);
  }

  async save(table: TuningTable): Promise<void> {
    const merged = (await loadUsable(this, table.adapter)) ?? new TuningTable(table.adapter);
    merged.merge(table);
    try {
      const cache = await caches.open(CACHE);
      const headers = { 'content-type': 'application/json' };
      await cache.put(this.#address(table.adapter), new Response(merged.serialise(), { headers }));
    } catch (cause) {
      throw new TuningError('unwritable', `The cache of this origin cannot be written: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}

/** Where tables of measurements are kept on this platform. */
export const tuningStore = (): TuningStore => new CacheTuningStore();
