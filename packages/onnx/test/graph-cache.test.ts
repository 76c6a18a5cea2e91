import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { randomTensor } from '@samtrack/kernels/testing';
import { reshape, tensor } from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { initializeCpu, type RuntimeOptions, shutdownCpu } from '../src/index.js';
import { GraphCache } from '../src/session/node/graph-cache.js';
import { ConstantData } from '../src/tensors.js';

/** What befalls the file system; the super-user may write to folders that say nobody may. */
const disk = vi.hoisted(() => ({
  readOnly: false,
  homeless: false,
  onWrite: undefined as (() => void) | undefined,
}));
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const refused = <T extends keyof typeof fs>(name: T) =>
    ((...args: never[]) =>
      disk.readOnly
        ? Promise.reject(Object.assign(new Error(`EROFS: read-only file system, ${name}`), { code: 'EROFS' }))
        : (fs[name] as (...args: never[]) => unknown)(...args)) as (typeof fs)[T];
  const mkdtemp = (prefix: string) => {
    disk.onWrite?.();
    return refused('mkdtemp')(prefix);
  };
  return { ...fs, mkdtemp, utimes: refused('utimes'), rm: refused('rm'), rename: refused('rename') };
});
vi.mock('node:os', async (original) => {
  const os = await original<typeof import('node:os')>();
  const homedir = () => {
    if (disk.homeless) throw new Error('uv_os_homedir returned ENOENT');
    return os.homedir();
  };
  return { ...os, homedir };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'samtrack-graphs-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/**
 * A product with 1.2 MB of weights, by an engine of its own, as another process has one.
 * @returns the product, and the bytes that its weights take afterwards
 */
async function multiply(
  weights: number | Float32Array,
  options: RuntimeOptions = { cache: { folder } },
): Promise<{ product: string; bytes: number }> {
  const engine = await initializeCpu({ threads: 1, ...options });
  try {
    const x = engine.allocate([3, 512]);
    engine.write(x, randomTensor([3, 512], 1).values as Float32Array<ArrayBuffer>);
    const weight = tensor(typeof weights === 'number' ? randomTensor([512, 600], weights).values : weights, [512, 600]);
    const out = engine.ops.gemm(x, weight);
    const product = new Float32Array(await engine.read(out)).join();
    for (const each of [x, out]) each.dispose();
    engine.trim();
    return { product, bytes: engine.memory().usedBytes };
  } finally {
    await shutdownCpu(engine);
  }
}

const product = async (seed: number, options?: RuntimeOptions) => (await multiply(seed, options)).product;

const entries = () => readdirSync(folder);
const file = (name: string) => join(folder, entries()[0]!, name);
const contents = () =>
  Object.fromEntries(
    readdirSync(join(folder, entries()[0]!)).map((name) => [name, readFileSync(file(name)).toString('base64')]),
  );
/** A file that is written anew is another one. */
const identity = (name: string) => statSync(file(name)).ino;

describe('graphs on disk', () => {
  it('are compiled once, for all processes', async () => {
    const expected = await product(2, { cache: false });
    expect(entries()).toEqual([]);
    expect(await product(2)).toBe(expected);
    expect(entries()).toHaveLength(1);
    const before = identity('graph.onnx');
    expect(await product(2)).toBe(expected);
    expect(identity('graph.onnx')).toBe(before);
  });

  it('are others for other weights', async () => {
    const [a, b] = [await product(2), await product(3)];
    expect(a).not.toBe(b);
    expect(entries()).toHaveLength(2);
    expect(await product(2)).toBe(a);
  });

  const damages: Readonly<Record<string, () => void>> = {
    'whose weights are cut': () => truncateSync(file('graph.weights'), 5000),
    'with another byte in its weights': () => {
      const bytes = readFileSync(file('graph.weights'));
      bytes[bytes.length - 7]! ^= 1;
      writeFileSync(file('graph.weights'), bytes);
    },
    'without a graph': () => rmSync(file('graph.onnx')),
    'that says nothing': () => writeFileSync(file('entry.json'), '{"graph.onnx"'),
    'whose graph is none': () => {
      writeFileSync(file('graph.onnx'), 'graph');
      const summary = JSON.parse(readFileSync(file('entry.json'), 'utf8'));
      summary['graph.onnx'] = { bytes: 5, crc32: crc32('graph') };
      writeFileSync(file('entry.json'), JSON.stringify(summary));
    },
  };
  it.each(Object.entries(damages))('are made anew for one %s', async (_, damage) => {
    const expected = await product(2);
    const whole = contents();
    damage();
    expect(contents()).not.toEqual(whole);
    expect(await product(2)).toBe(expected);
    expect(contents()).toEqual(whole);
    expect(await product(2)).toBe(expected);
    expect(entries()).toHaveLength(1);
  });

  it('go when there are too many, the longest unused first', async () => {
    await product(2);
    const [first] = entries();
    await product(3);
    const second = entries().find((name) => name !== first)!;
    const age = (name: string, seconds: number) => {
      const time = Date.now() / 1000 - seconds;
      utimesSync(join(folder, name, 'entry.json'), time, time);
    };
    age(first!, 200);
    age(second, 100);
    // Using it makes it the latest.
    await product(2);
    await product(4, { cache: { folder, limitMB: 3 } });
    expect(entries()).toHaveLength(2);
    expect(entries()).toContain(first);
  });

  it('are not kept where the limit leaves no room', async () => {
    await product(2, { cache: { folder, limitMB: 1.4 } });
    expect(entries()).toEqual([]);
  });

  it('are where the environment says, or nowhere', async () => {
    vi.stubEnv('SAMTRACK_GRAPH_CACHE', folder);
    await product(2, {});
    expect(entries()).toHaveLength(1);
    rmSync(join(folder, entries()[0]!), { recursive: true });
    vi.stubEnv('SAMTRACK_GRAPH_CACHE', 'off');
    await product(2, {});
    expect(entries()).toEqual([]);
  });

  const KEY = '0123456789'.repeat(4);
  it('stay those of the process that was the first, where two make the same at once', async () => {
    const [one, two] = [new GraphCache('test', folder), new GraphCache('test', folder)];
    let second: Promise<string | undefined> | undefined;
    const first = await one.entry(KEY, async (empty) => {
      writeFileSync(join(empty, 'graph.onnx'), 'graph');
      // Makes all of its own meanwhile.
      second = two.entry(KEY, async (other) => writeFileSync(join(other, 'graph.onnx'), 'graph'));
      await second;
    });
    expect(await second).toBe(first);
    expect(readdirSync(folder)).toEqual([KEY]);
    expect(readFileSync(join(first!, 'graph.onnx'), 'utf8')).toBe('graph');
    expect(await new GraphCache('test', folder).entry(KEY, () => Promise.reject(new Error('made anew')))).toBe(first);
  });

  it('leave alone what else is in the folder', async () => {
    const foreign = ['notes/entry.json', 'mine.tmp-1/thesis.txt', `${KEY}x/entry.json`, 'entry.json'];
    for (const path of foreign) {
      mkdirSync(join(folder, path, '..'), { recursive: true });
      writeFileSync(join(folder, path), '{"a.txt":{"size":1}}');
      utimesSync(join(folder, path, '..'), 1, 1);
    }
    symlinkSync('nowhere', join(folder, 'link'));
    const before = readdirSync(folder);
    // The second does not fit beside the first.
    await product(2, { cache: { folder, limitMB: 3 } });
    await product(3, { cache: { folder, limitMB: 1.8 } });
    const after = readdirSync(folder);
    expect(before.filter((name) => !after.includes(name))).toEqual([]);
    for (const path of foreign) expect(readFileSync(join(folder, path), 'utf8')).toBe('{"a.txt":{"size":1}}');
    expect(after.length).toBe(before.length + 1);
  });

  it('are told apart where an array is filled anew', () => {
    const cache = new GraphCache('test', folder);
    const values = new Float32Array(4);
    const key = () => cache.key(new Uint8Array(1), [{ name: 'w', source: new ConstantData(0, values, [4]) }]);
    const zeros = key();
    values.fill(1);
    expect(key()).not.toBe(zeros);
  });

  it('are read where nothing can be written, and done without where none is there', async () => {
    const expected = await product(2);
    const before = [identity('graph.onnx'), statSync(file('entry.json')).mtimeMs];
    disk.readOnly = true;
    try {
      // The weights are in the files that were found.
      expect(await multiply(2)).toEqual({ product: expected, bytes: 0 });
      expect(await product(3)).toBe(await product(3, { cache: false }));
    } finally {
      disk.readOnly = false;
    }
    expect([identity('graph.onnx'), statSync(file('entry.json')).mtimeMs]).toEqual(before);
    expect(entries()).toHaveLength(1);
  });

  it('are not kept of weights that change while they are written', async () => {
    const values = randomTensor([512, 600], 2).values as Float32Array<ArrayBuffer>;
    disk.onWrite = () => void values.fill(1);
    try {
      await multiply(values);
    } finally {
      disk.onWrite = undefined;
    }
    expect(values[0]).toBe(1);
    expect(entries()).toEqual([]);
  });

  it('are checked again where a file was written to since', async () => {
    const cache = new GraphCache('test', folder);
    let made = 0;
    const write = async (empty: string) => {
      made++;
      writeFileSync(join(empty, 'graph.onnx'), 'graph');
    };
    for (const _ of [1, 2]) await cache.entry(KEY, write);
    expect(made).toBe(1);
    writeFileSync(file('graph.onnx'), 'other');
    utimesSync(file('graph.onnx'), 1, 1);
    await cache.entry(KEY, write);
    expect(made).toBe(2);
    expect(readFileSync(file('graph.onnx'), 'utf8')).toBe('graph');
  });

  it('are done without by users that have no home', () => {
    vi.stubEnv('XDG_CACHE_HOME', '');
    vi.stubEnv('SAMTRACK_GRAPH_CACHE', '');
    disk.homeless = true;
    try {
      expect(GraphCache.of('test', undefined)).toBeUndefined();
      expect(GraphCache.of('test', { limitMB: 5 })).toBeUndefined();
      expect(GraphCache.of('test', { folder })).toBeDefined();
    } finally {
      disk.homeless = false;
    }
  });

  it('are done without where nothing can be written', async () => {
    const taken = join(folder, 'file');
    writeFileSync(taken, '');
    expect(await product(2, { cache: { folder: taken } })).toBe(await product(2, { cache: false }));
  });
});

describe('weights', () => {
  const values = (shape: number[], seed: number) => randomTensor(shape, seed).values as Float32Array<ArrayBuffer>;

  /** Products and convolutions with the same weights, of several sizes: each is a graph of its own. */
  async function results(
    options: RuntimeOptions['cache'],
    between: () => void = () => {},
  ): Promise<{ results: string[]; memory: number[] }> {
    const engine = await initializeCpu({ threads: 1, cache: options });
    try {
      const matrix = tensor(values([512, 600], 2), [512, 600]);
      const filters = tensor(values([3, 3, 64, 512], 3), [3, 3, 64, 512]);
      const memory = [engine.memory().usedBytes];
      const results: string[] = [];
      for (const side of [4, 5]) {
        const image = engine.allocate([side, side, 64]);
        engine.write(image, values([side, side, 64], 4));
        const channels = engine.ops.conv2d(image, filters, { padding: 1 });
        const rows = reshape(channels, [side * side, 512]);
        const product = engine.ops.gemm(rows, matrix);
        results.push(new Float32Array(await engine.read(product)).join());
        for (const one of [image, channels, rows, product]) one.dispose();
        engine.trim();
        memory.push(engine.memory().usedBytes);
        between();
      }
      for (const one of [matrix, filters]) results.push((await one.data()).join());
      return { results, memory };
    } finally {
      await shutdownCpu(engine);
    }
  }
  const BYTES = 4 * (512 * 600 + 3 * 3 * 64 * 512);

  it('leave the memory once a graph keeps them, and are read again for another', async () => {
    const expected = await results(false);
    expect(expected.memory).toEqual([BYTES, BYTES, BYTES]);
    for (const _ of ['made', 'found'])
      expect(await results({ folder })).toEqual({ ...expected, memory: [BYTES, 0, 0] });
  });

  it('can be read when the graph that keeps them is gone', async () => {
    const expected = (await results(false)).results;
    const clear = () => {
      for (const name of entries()) rmSync(join(folder, name), { recursive: true });
    };
    expect((await results({ folder }, clear)).results).toEqual(expected);
  });

  it('are not read from files that were written to since', async () => {
    const write = () => {
      for (const name of entries()) {
        for (const kept of ['graph.weights', 'sources.weights']) utimesSync(join(folder, name, kept), 1, 1);
      }
    };
    await expect(results({ folder }, write)).rejects.toMatchObject({
      name: 'OnnxEngineError',
      code: 'failed',
      message: expect.stringMatching(
        /(graph|sources)\.weights was changed while the weights that it keeps were in use/,
      ),
    });
  });

  it('are on disk once: where ONNX Runtime has them as they came, they are not added', async () => {
    await results({ folder });
    for (const name of entries()) {
      const { size } = statSync(join(folder, name, 'sources.weights'));
      // The filters, which it arranges anew.
      expect(size).toBe(4 * 3 * 3 * 64 * 512);
    }
    expect(entries()).toHaveLength(2);
  });
});
