import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AdapterIdentity, TuningTable } from '../table.js';
import { CacheTuningStore } from './store.js';

const ADAPTER: AdapterIdentity = {
  vendor: 'apple',
  architecture: 'metal-3',
  device: '',
  description: '',
  subgroupSize: 32,
  maxInvocations: 1024,
  maxWorkgroupBytes: 32768,
};
const tableOf = (shape: string) => {
  const table = new TuningTable(ADAPTER);
  table.set('gemm', 'k', shape, { variant: 'b', selected: 'a', milliseconds: { a: 2, b: 1 }, share: 0.5 });
  return table;
};

/** What the store uses of the browser's caches. */
let contents: Map<string, Response>;
beforeEach(() => {
  contents = new Map();
  const cache = {
    match: async (address: string) => contents.get(address)?.clone(),
    put: async (address: string, response: Response) => void contents.set(address, response),
  };
  vi.stubGlobal('caches', { open: async () => cache });
});
afterEach(() => vi.unstubAllGlobals());

describe('CacheTuningStore', () => {
  it('has nothing at first, then what was saved, and adds to it', async () => {
    const store = new CacheTuningStore();
    expect(await store.load(ADAPTER)).toBeUndefined();
    await store.save(tableOf('m=1'));
    await store.save(tableOf('m=2'));
    expect((await store.load(ADAPTER))!.size).toBe(2);
  });

  it('says that something else lies there, and replaces it with the next save', async () => {
    const store = new CacheTuningStore();
    await store.save(tableOf('m=1'));
    const [address] = [...contents.keys()] as [string];
    contents.set(address, new Response('<html>'));
    await expect(store.load(ADAPTER)).rejects.toMatchObject({ name: 'TuningError', code: 'corrupt' });
    await store.save(tableOf('m=2'));
    expect((await store.load(ADAPTER))!.size).toBe(1);
  });

  it('says so where there is no cache', async () => {
    vi.stubGlobal('caches', undefined);
    const store = new CacheTuningStore();
    await expect(store.load(ADAPTER)).rejects.toMatchObject({ code: 'unreadable' });
    await expect(store.save(tableOf('m=1'))).rejects.toMatchObject({ code: 'unwritable' });
  });
});
