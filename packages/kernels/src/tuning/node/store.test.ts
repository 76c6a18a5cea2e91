import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AdapterIdentity, TuningTable } from '../table.js';
import { FileTuningStore } from './store.js';

const ADAPTER: AdapterIdentity = {
  vendor: 'mesa',
  architecture: '',
  device: 'llvmpipe',
  description: 'Mesa 25',
  subgroupSize: 8,
  maxInvocations: 1024,
  maxWorkgroupBytes: 32768,
};
const entry = { variant: 'b', selected: 'a', milliseconds: { a: 2, b: 1 }, share: 0.5 };
const tableOf = (...shapes: string[]) => {
  const table = new TuningTable(ADAPTER);
  for (const shape of shapes) table.set('gemm', 'k', shape, entry);
  return table;
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'samtrack-tuning-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('FileTuningStore', () => {
  it('has nothing at first, then what was saved, and adds to it', async () => {
    const store = new FileTuningStore(join(folder, 'deep', 'down'));
    expect(await store.load(ADAPTER)).toBeUndefined();
    await store.save(tableOf('m=1'));
    await store.save(tableOf('m=2'));
    const table = await store.load(ADAPTER);
    expect(['m=1', 'm=2', 'm=3'].map((shape) => table!.get('gemm', 'k', shape))).toEqual([entry, entry, undefined]);
    expect(await store.load({ ...ADAPTER, device: 'other' })).toBeUndefined();
  });

  it('lies in the cache folder of the user', () => {
    vi.stubEnv('XDG_CACHE_HOME', folder);
    expect(new FileTuningStore().file(ADAPTER)).toMatch(join(folder, 'samtrack', 'tuning', 'mesa-llvmpipe-'));
    vi.stubEnv('XDG_CACHE_HOME', '');
    vi.stubEnv('HOME', folder);
    expect(new FileTuningStore().folder).toBe(join(folder, '.cache', 'samtrack', 'tuning'));
  });

  it('keeps all of what is saved at the same time, and no other files', async () => {
    const shapes = Array.from({ length: 20 }, (_, i) => `m=${i}`);
    await Promise.all(shapes.map((shape) => new FileTuningStore(folder).save(tableOf(shape))));
    expect((await new FileTuningStore(folder).load(ADAPTER))!.size).toBe(20);
    expect(readdirSync(folder).length).toBe(1);
  });

  it('says that a damaged file is one, and replaces it with the next save', async () => {
    const store = new FileTuningStore(folder);
    await store.save(tableOf('m=1', 'm=2'));
    const file = store.file(ADAPTER);
    writeFileSync(file, readFileSync(file, 'utf8').slice(0, 100));
    await expect(store.load(ADAPTER)).rejects.toMatchObject({ name: 'TuningError', code: 'corrupt' });
    await expect(store.load(ADAPTER)).rejects.toThrow(file);
    await store.save(tableOf('m=3'));
    expect((await store.load(ADAPTER))!.size).toBe(1);
  });

  it('says that a file is of another adapter', async () => {
    const store = new FileTuningStore(folder);
    await store.save(tableOf('m=1'));
    const other = { ...ADAPTER, description: 'Mesa 26' };
    writeFileSync(store.file(other), readFileSync(store.file(ADAPTER)));
    await expect(store.load(other)).rejects.toMatchObject({ name: 'TuningError', code: 'alien' });
  });

  it('says so where it may not read or write', async () => {
    // A file in the place of a folder refuses everybody, the superuser too.
    const blocked = join(folder, 'file');
    writeFileSync(blocked, '');
    const store = new FileTuningStore(join(blocked, 'tuning'));
    await expect(store.load(ADAPTER)).rejects.toMatchObject({ name: 'TuningError', code: 'unreadable' });
    await expect(store.save(tableOf('m=1'))).rejects.toMatchObject({ name: 'TuningError', code: 'unwritable' });
    await expect(store.save(tableOf('m=1'))).rejects.toThrow(blocked);
  });
});
