import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../src/storage/open.js';
import { patient } from '../src/storage/patient.js';
import type { Storage } from '../src/storage/storage.js';
import { S3Server } from './s3-server.js';
import { temporaryFolder } from './temporary.js';

const folder = temporaryFolder();
const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array | undefined) => data && new TextDecoder().decode(data);
let s3: S3Server;

beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' });
  s3 = await S3Server.start();
});
afterAll(() => s3.stop());

describe.each(['folder', 's3'])('storage: %s', (kind) => {
  const where = (name: string) => (kind === 'folder' ? join(folder, name) : s3.url(`bucket/${name}`));
  let storage: Storage;
  beforeAll(async () => {
    storage = await openStorage(where('contract'), { create: true });
  });
  afterAll(() => storage.close());

  it('is one and the same wherever it is opened, and none before it was made', async () => {
    const again = await openStorage(where('contract'));
    expect(again.id).toBe(storage.id);
    again.close();
    await expect(openStorage(where('nothing'))).rejects.toMatchObject({ name: 'FarmError', code: 'storage-away' });
  });

  it('reads what was written, and knows what is not there', async () => {
    await storage.write('a/b/c.json', bytes('one'));
    await storage.write('a/b/c.json', bytes('two'));
    expect(text(await storage.read('a/b/c.json'))).toBe('two');
    expect(await storage.read('a/b/d.json')).toBeUndefined();
    await storage.remove('a/b/c.json');
    await storage.remove('a/b/c.json');
    expect(await storage.read('a/b/c.json')).toBeUndefined();
  });

  it('creates an object once, whoever else tries at the same time', async () => {
    const created = await Promise.all(Array.from({ length: 20 }, (_, i) => storage.create('race/x', bytes(String(i)))));
    const winner = created.indexOf(true);
    expect(created.filter(Boolean)).toHaveLength(1);
    expect(text(await storage.read('race/x'))).toBe(String(winner));
  });

  it('lists files and folders', async () => {
    for (const name of ['3', '1', '2', '4', '5', 'sub/x', 'sub/y', 'tree/z'])
      await storage.write(`list/${name}`, bytes(name));
    expect(await storage.list('list')).toEqual(['1', '2', '3', '4', '5']);
    expect(await storage.folders('list')).toEqual(['sub', 'tree']);
    expect(await storage.list('not-there')).toEqual([]);
  });

  it('copies files there and back', async () => {
    const [from, to] = [join(folder, `from-${kind}`), join(folder, `to-${kind}`)];
    writeFileSync(from, 'a file');
    await storage.upload('files/x', from);
    expect(await storage.download('files/x', to)).toBe(true);
    expect(readFileSync(to, 'utf8')).toBe('a file');
    expect(await storage.download('files/y', to)).toBe(false);
  });
});

describe('storage', () => {
  it('a folder that is not mounted is away, and is not made anew in its place', async () => {
    const root = join(folder, 'share');
    const storage = await openStorage(root, { create: true });
    renameSync(root, `${root}.away`);
    for (const attempt of [
      () => storage.read('x'),
      () => storage.list('x'),
      () => storage.write('x/y', bytes('')),
      () => storage.create('z', bytes('')),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'storage-away' });
    }
    expect(existsSync(root)).toBe(false);
    mkdirSync(root);
    await expect(storage.read('x')).rejects.toMatchObject({ code: 'storage-away' });
  });

  it('a folder with other files is not taken for a storage', async () => {
    const root = join(folder, 'holiday');
    mkdirSync(root);
    writeFileSync(join(root, 'picture.jpg'), '');
    await expect(openStorage(root, { create: true })).rejects.toThrow(/holds other files \(picture.jpg\)/);
    expect(existsSync(join(root, 'samtrack-storage.json'))).toBe(false);
  });

  it('S3 that is away or full says which', async () => {
    const storage = await openStorage(s3.url('bucket/faults'), { create: true });
    s3.failure = 503;
    await expect(storage.read('x')).rejects.toMatchObject({ code: 'storage-away' });
    s3.failure = 507;
    await expect(storage.write('x', bytes(''))).rejects.toMatchObject({ code: 'storage-full' });
    s3.failure = undefined;
    storage.close();
  });

  it('waits for a storage that is away, and not for ever', async () => {
    const root = join(folder, 'slow');
    const storage = await openStorage(root, { create: true });
    renameSync(root, `${root}.away`);
    let waits = 0;
    const waiting = patient(storage, {
      seconds: 1,
      pause: 0.01,
      onWait: () => {
        if (++waits === 3) renameSync(`${root}.away`, root);
      },
    });
    await waiting.write('x', bytes('there'));
    expect(text(await storage.read('x'))).toBe('there');
    renameSync(root, `${root}.gone`);
    await expect(patient(storage, { seconds: 0.05, pause: 0.01 }).read('x')).rejects.toMatchObject({
      code: 'storage-away',
    });
  });
});

it.each(['gs://bucket/x', 's3://', 's3:/bucket/x', 'https://host/share'])('%s is no storage', async (where) => {
  await expect(openStorage(where, { create: true })).rejects.toMatchObject({ code: 'storage-unsuitable' });
  expect(existsSync(where)).toBe(false);
});

it('a file is no storage, and nothing to wait for', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await expect(openStorage(file)).rejects.toMatchObject({ code: 'storage-unsuitable' });
});

it('many who submit to a new folder at the same time have one storage', async () => {
  const where = join(folder, 'together');
  const opened = await Promise.all(Array.from({ length: 20 }, () => openStorage(where, { create: true })));
  expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
});

it('a slow operation shows signs of life, for as long as there is patience', async () => {
  const storage = await openStorage(join(folder, 'slow'), { create: true });
  let beats = 0;
  let finish: (value: boolean) => void = () => {};
  const slow = { ...storage, create: () => new Promise<boolean>((resolve) => (finish = resolve)) } as Storage;
  const onBeat = () => ++beats === 2 && finish(true);
  expect(await patient(slow, { seconds: 60, onBeat }).create('x', bytes('x'))).toBe(true);
  expect(beats).toBe(2);
});

it('a conditional write that met another one is tried again: one that came to nothing is no line', async () => {
  const storage = await openStorage(s3.url('bucket/conflicts'), { create: true });
  s3.conflicts = 3;
  expect(await storage.create('line', bytes('one'))).toBe(true);
  s3.conflicts = 1;
  expect(await storage.create('line', bytes('two'))).toBe(false);
  expect(text(await storage.read('line'))).toBe('one');
  storage.close();
});
