import type { AdapterIdentity, TuningTable } from './table.js';

/** Keeps tables of measurements, one an adapter. */
export interface TuningStore {
  /**
   * @returns The adapter's table; undefined where there is none.
   * @throws TuningError for one that cannot be read.
   */
  load(adapter: AdapterIdentity): Promise<TuningTable | undefined>;
  /**
   * Adds to what is stored of the table's adapter; of a shape that is known already the new measurement stays.
   * @throws TuningError where nothing can be written.
   */
  save(table: TuningTable): Promise<void>;
}

/** What is stored, and nothing where that cannot be used: a damaged table is replaced by the next one. */
export async function loadUsable(store: TuningStore, adapter: AdapterIdentity): Promise<TuningTable | undefined> {
  try {
    return await store.load(adapter);
  } catch {
    return undefined;
  }
}
