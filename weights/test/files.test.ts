import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint, type SafetensorsEntry, writeSafetensors } from '@samtrack/models/checkpoint';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CatalogEntry } from '../src/index.js';
import { cacheFolder, convert, inspect, pull, verify } from '../src/node.js';
import { type Handler, sendFile, serve, type TestServer } from './server.js';

const tensor = (key: string, ...values: number[]): SafetensorsEntry => ({
  key,
  dtype: 'f32',
  shape: [values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
/** As little as is needed to be taken for a DeAOT-T. */
const deaot = [tensor('encoder.features.0.0.weight', 1, 2), tensor('LSTT.layers.0.norm1.weight', 3)];
const sha256Of = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const file = writeSafetensors(deaot);

const entryFor = (url: string, more: Partial<CatalogEntry> = {}): CatalogEntry => ({
  id: 'test',
  title: 'Test',
  family: 'deaot',
  encoder: 'mobilenetv2',
  layers: 1,
  models: ['deaot-t'],
  keyMap: 'deaot',
  file: 'test.pth',
  format: 'pytorch',
  source: { kind: 'url', url },
  page: url,
  licence: 'Apache-2.0',
  scores: [],
  ...more,
});

let folder: string;
let server: TestServer | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

describe('pull', () => {
  const good: Handler = (request, response) => sendFile(request, response, file);

  it('fetches once, checks the hash, and then uses the cache', async () => {
    server = await serve(good);
    const entry = entryFor(server.url, { size: file.length, sha256: sha256Of(file) });
    const path = join(folder, 'test.pth');
    expect(await pull(entry, { folder })).toEqual({
      entry,
      path,
      bytes: file.length,
      sha256: sha256Of(file),
      cached: false,
      hashChecked: true,
    });
    expect(await pull(entry, { folder })).toMatchObject({ cached: true, sha256: sha256Of(file) });
    expect(server.ranges).toHaveLength(1);
    await pull(entry, { folder, force: true });
    expect(server.ranges).toHaveLength(2);
  });

  it('fetches again what was damaged in the cache, even when its size and date are right', async () => {
    server = await serve(good);
    const entry = entryFor(server.url, { size: file.length, sha256: sha256Of(file) });
    const { path } = await pull(entry, { folder });
    const damaged = file.slice();
    damaged[damaged.length - 1]! ^= 1;
    await writeFile(path, damaged);
    expect(await pull(entry, { folder })).toMatchObject({ cached: false });
    await writeFile(path, file.subarray(1));
    expect(await pull(entry, { folder })).toMatchObject({ cached: false });
    expect(Buffer.compare(await readFile(path), file)).toBe(0);
  });

  it('hashes a file that was copied into the cache by hand', async () => {
    const entry = entryFor('http://127.0.0.1:1/none', { sha256: sha256Of(file) });
    await writeFile(join(folder, 'test.pth'), file);
    expect(await pull(entry, { folder })).toMatchObject({ cached: true, sha256: sha256Of(file) });
    expect(existsSync(join(folder, 'test.pth.sha256.json'))).toBe(true);
  });

  it('without a published hash accepts a checkpoint of the model', async () => {
    server = await serve(good);
    expect(await pull(entryFor(server.url), { folder })).toMatchObject({ hashChecked: false, sha256: sha256Of(file) });
  });

  it.each<[string, Uint8Array, string]>([
    ['a page that does not say so', new TextEncoder().encode('<!doctype html>'), 'html'],
    ['a file cut short', file.subarray(0, file.length - 1), 'truncated'],
    ['another model', writeSafetensors([tensor('x', 1)]), 'wrong-architecture'],
    ['AOT', writeSafetensors([...deaot, tensor('LSTT.mask_token', 1)]), 'wrong-architecture'],
  ])('without a published hash deletes %s', async (_, bytes, code) => {
    server = await serve((request, response) => sendFile(request, response, bytes));
    await expect(pull(entryFor(server.url), { folder })).rejects.toMatchObject({ name: 'CheckpointError', code });
    expect(existsSync(join(folder, 'test.pth'))).toBe(false);
  });

  it('knows no other names', async () => {
    await expect(pull('deaot-xxl', { folder })).rejects.toMatchObject({ code: 'unknown-name' });
  });
});

describe('convert', () => {
  const legacy = new URL('../../packages/models/test/fixtures/checkpoint/training.legacy.pth', import.meta.url)
    .pathname;

  it('writes float32 safetensors with the same keys and values', async () => {
    const output = join(folder, 'out', 'w.safetensors');
    const seen: number[] = [];
    const result = await convert(legacy, output, { onProgress: (done) => seen.push(done) });
    const [before, after] = [await openCheckpoint(legacy), await openCheckpoint(output)];
    expect(result).toMatchObject({ path: output, bytes: (await stat(output)).size, tensors: before.keys.length });
    expect(seen.at(-1)).toBe(before.keys.length);
    expect([...after.keys].sort()).toEqual([...before.keys].sort());
    for (const key of before.keys) {
      const [a, b] = [await before.read(key), await after.read(key)];
      expect({ key, shape: b.shape, data: b.data }).toEqual({ key, shape: a.shape, data: a.data });
    }
    expect(after.info('dtype.f16').dtype).toBe('f32');
    expect(after.info('bn.num_batches_tracked').dtype).toBe('i64');
    expect(after.metadata).toEqual({ format: 'pt', source: 'training.legacy.pth', dtype: 'f32' });
    await Promise.all([before.close(), after.close()]);
  });

  it('writes matrices as float16, and keeps in float32 vectors and what float16 cannot hold', async () => {
    const input = join(folder, 'in.safetensors');
    const matrix = (key: string, ...values: number[]) => ({ ...tensor(key, ...values), shape: [1, values.length] });
    const stated = { metadata: { long_edge: '641' } };
    const tensors = [matrix('a', 0.1, 65504), matrix('big', 1, 65505), tensor('bias', 0.1)];
    await writeFile(input, writeSafetensors(tensors, stated));
    const output = join(folder, 'out.safetensors');
    const { keptF32 } = await convert(input, output, { dtype: 'f16' });
    expect(keptF32).toEqual(['big']);
    const after = await openCheckpoint(output);
    expect(['a', 'big', 'bias'].map((key) => after.info(key).dtype)).toEqual(['f16', 'f32', 'f32']);
    expect([...(await after.read('a')).data]).toEqual([0.0999755859375, 65504]);
    expect([...(await after.read('big')).data]).toEqual([1, 65505]);
    // What the file says of its weights stays with them.
    expect(after.metadata).toMatchObject({ long_edge: '641', dtype: 'f16' });
    await after.close();
  });

  it('leaves nothing behind when it fails or is stopped', async () => {
    const output = join(folder, 'out.safetensors');
    await expect(convert(join(folder, 'none.pth'), output)).rejects.toMatchObject({ code: 'unreadable' });
    const controller = new AbortController();
    const stopped = convert(legacy, output, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(stopped).rejects.toThrow('enough');
    expect(existsSync(output)).toBe(false);
    expect(existsSync(`${output}.part`)).toBe(false);
  });

  it('says that the output cannot be written', async () => {
    await writeFile(join(folder, 'taken'), '');
    await expect(convert(legacy, join(folder, 'taken', 'out'))).rejects.toMatchObject({
      name: 'WeightsError',
      code: 'disk',
    });
  });
});

describe('inspect', () => {
  it('tells format, sizes, dtypes and architecture', async () => {
    const path = join(folder, 'w.bin');
    await writeFile(path, file);
    const result = await inspect(path);
    expect(result).toMatchObject({ format: 'safetensors', bytes: file.length, values: 3, problem: undefined });
    expect(result.architecture).toEqual({ family: 'deaot', encoder: 'mobilenetv2', layers: 1 });
    expect([...result.dtypes]).toEqual([['f32', 2]]);
    expect(result.tensors.map(({ key }) => key)).toEqual(deaot.map(({ key }) => key));
  });

  it('tells AOT from DeAOT', async () => {
    const path = join(folder, 'aot.bin');
    await writeFile(path, writeSafetensors([...deaot, tensor('LSTT.mask_token', 1)]));
    expect(await inspect(path)).toMatchObject({
      architecture: undefined,
      problem: expect.stringContaining('AOT, not DeAOT'),
    });
  });
});

describe('verify', () => {
  const path = () => join(folder, 'w.safetensors');
  const entry = entryFor('http://127.0.0.1:1/none', { sha256: sha256Of(file), size: file.length, tensors: 2 });

  it('finds nothing wrong with a good file', async () => {
    await writeFile(path(), file);
    const result = await verify(path(), { entry });
    expect(result).toMatchObject({ hashMatches: true, sha256: sha256Of(file), problems: [] });
    expect(await verify(path())).toMatchObject({ entry: undefined, hashMatches: undefined, problems: [] });
  });

  it.each<[string, Uint8Array, RegExp[]]>([
    ['another hash', writeSafetensors([deaot[1]!, deaot[0]!]), [/SHA-256/]],
    ['another size', file.subarray(0, file.length - 4), [/bytes/, /SHA-256/, /ends at byte/]],
    ['NaN', writeSafetensors([deaot[0]!, tensor('LSTT.layers.0.norm1.weight', Number.NaN)]), [/SHA-256/, /norm1.*NaN/]],
    [
      'another model',
      writeSafetensors([tensor('encoder.features.0.0.weight', 1, 2), tensor('LSTT.layers.1.norm1.wei', 3)]),
      [/SHA-256/, /2 layers.*deaot-s.*not of Test/],
    ],
    ['too few tensors', writeSafetensors([deaot[0]!]), [/bytes/, /SHA-256/, /unknown model/, /1 tensors/]],
  ])('lists %s', async (_, bytes, expected) => {
    await writeFile(path(), bytes);
    const { problems } = await verify(path(), { entry });
    expect(problems).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
  });

  it('says that a file is not there', async () => {
    await expect(verify(join(folder, 'none'))).rejects.toMatchObject({ code: 'unreadable' });
  });
});

describe('cacheFolder', () => {
  it.each([
    ['linux', {}, '/home/u/.cache/samtrack/weights'],
    ['linux', { XDG_CACHE_HOME: '/x' }, '/x/samtrack/weights'],
    ['darwin', {}, '/home/u/Library/Caches/samtrack/weights'],
    ['linux', { SAMTRACK_CACHE: '/mine', XDG_CACHE_HOME: '/x' }, '/mine'],
  ] as const)('on %s with %j is %s', (platform, env, expected) => {
    expect(cacheFolder(env, platform, '/home/u')).toBe(expected);
  });

  it('on win32 is under LOCALAPPDATA', () => {
    expect(cacheFolder({ LOCALAPPDATA: 'C:/L' }, 'win32', 'C:/U')).toMatch(/^C:.L.samtrack.weights$/);
  });
});
