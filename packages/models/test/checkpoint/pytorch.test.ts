import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type ByteSource,
  type CheckpointInput,
  MemorySource,
  openCheckpoint,
  writeSafetensors,
} from '../../src/checkpoint/index.js';
import { concat, dictPickle, floats, P, pickle, tensorPickle, torchLegacy, torchZip, u64, zip } from './builders.js';

const fixture = (name: string) => new URL(`../fixtures/checkpoint/${name}`, import.meta.url);
const expected: Record<string, { dtype: string; shape: number[]; values: number[] }> = JSON.parse(
  readFileSync(fixture('expected.json'), 'utf8'),
);

/** Remembers which bytes were read. */
class SpySource extends MemorySource {
  readonly reads: [offset: number, length: number][] = [];

  override read(...args: Parameters<ByteSource['read']>) {
    this.reads.push([args[0], args[1]]);
    return super.read(...args);
  }
}

async function values(input: CheckpointInput, key: string): Promise<number[]> {
  const checkpoint = await openCheckpoint(input);
  return [...(await checkpoint.read(key)).data];
}

const attempt = (bytes: Uint8Array<ArrayBuffer>) => openCheckpoint(bytes, { name: 'x.pth' });

describe.each([
  ['training.zip.pth', 'pytorch-zip', 'state_dict'],
  ['training.legacy.pth', 'pytorch-legacy', 'state_dict'],
  ['module.zip.pth', 'pytorch-zip', 'model'],
  ['bare.legacy.pth', 'pytorch-legacy', undefined],
  ['cuda.zip.pth', 'pytorch-zip', undefined],
])('%s, written by PyTorch', (name, format, container) => {
  it('holds the tensors that were saved, of every dtype and layout', async () => {
    const checkpoint = await openCheckpoint(fixture(name));
    expect(checkpoint.format).toBe(format);
    expect(checkpoint.metadata['container']).toBe(container);
    expect(checkpoint.keys).toEqual(Object.keys(expected));
    for (const [key, { dtype, shape, values }] of Object.entries(expected)) {
      expect(checkpoint.info(key)).toMatchObject({ key, dtype, shape });
      const tensor = await checkpoint.read(key);
      expect({ key, shape: tensor.shape, values: [...tensor.data] }).toEqual({
        key,
        shape,
        values: values.map(Math.fround),
      });
      expect((await checkpoint.readRaw(key)).data.byteLength).toBe(checkpoint.info(key).byteLength);
    }
    await checkpoint.close();
    await checkpoint.close();
  });
});

describe('what is read', () => {
  it('is never the optimizer', async () => {
    const bytes = Uint8Array.from(readFileSync(fixture('training.zip.pth')));
    const source = new SpySource(bytes);
    const checkpoint = await openCheckpoint(source);
    expect(checkpoint.metadata['skipped']).toBe('optimizer, epoch, args');
    source.reads.length = 0;
    let payload = 0;
    for (const key of checkpoint.keys) {
      await checkpoint.read(key);
      payload += checkpoint.info(key).byteLength;
    }
    // Two moments of 300 floats each lie in the file; a local header is 30 bytes. Strided views may span more than they hold.
    const read = source.reads.filter(([, length]) => length !== 30).reduce((sum, [, length]) => sum + length, 0);
    expect(read).toBeLessThan(payload + 100);
    expect(Math.max(...source.reads.map(([, length]) => length))).toBeLessThan(300 * 4);
  });

  it('is only the range of the tensor asked for', async () => {
    const source = new SpySource(Uint8Array.from(readFileSync(fixture('training.legacy.pth'))));
    const checkpoint = await openCheckpoint(source);
    source.reads.length = 0;
    await checkpoint.read('shared.tail');
    expect(source.reads.map(([, length]) => length)).toEqual([8]);
  });
});

describe('a pickle that asks for something else than weights', () => {
  const evil = (module: string, name: string) =>
    pickle(P.global(module, name), P.string('touch /tmp/pwned'), P.tuple1, P.reduce);
  const wrappings: [string, (data: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>][] = [
    ['zip', (data) => torchZip(data)],
    ['legacy', (data) => torchLegacy(data, [], [])],
    ['bare', (data) => data],
  ];

  it.each(wrappings)('is refused by name (%s)', async (_, wrap) => {
    await expect(attempt(wrap(evil('os', 'system')))).rejects.toMatchObject({
      name: 'CheckpointError',
      code: 'forbidden-global',
      file: 'x.pth',
      global: 'os.system',
      message: expect.stringContaining('os.system'),
    });
  });

  it.each([
    ['posix', 'system'],
    ['subprocess', 'Popen'],
    ['builtins', 'eval'],
    ['builtins', 'getattr'],
    ['torch.storage', '_load_from_bytes'],
    ['torch._utils', '_rebuild_qtensor'],
    ['torch', 'QInt8Storage'],
    ['collections', '__proto__'],
    ['__main__', 'Net'],
  ])('%s.%s', async (module, name) => {
    await expect(attempt(torchZip(evil(module, name)))).rejects.toMatchObject({
      code: 'forbidden-global',
      global: `${module}.${name}`,
    });
  });

  it('is refused when the name is assembled on the stack', async () => {
    const data = pickle(P.string('os'), P.string('system'), P.stackGlobal, P.string('true'), P.tuple1, P.reduce);
    await expect(attempt(torchZip(data))).rejects.toMatchObject({ code: 'forbidden-global', global: 'os.system' });
  });

  it('is refused beside good weights, in the part that would be skipped', async () => {
    const data = pickle(
      dictPickle({
        state_dict: dictPickle({ a: tensorPickle() }),
        optimizer: concat(P.global('os', 'system'), P.string('true'), P.tuple1, P.reduce),
      }),
    );
    await expect(attempt(torchZip(data, { 0: floats(1, 2, 3, 4) }))).rejects.toMatchObject({ global: 'os.system' });
  });

  it('is refused in the oldest protocol', async () => {
    const data = concat("cos\nsystem\n(S'true'\ntR.");
    await expect(attempt(data)).rejects.toMatchObject({ code: 'forbidden-global', global: 'os.system' });
  });

  it('is refused as a whole module, naming its class', async () => {
    await expect(openCheckpoint(fixture('whole-model.zip.pth'))).rejects.toMatchObject({
      code: 'forbidden-global',
      global: 'torch.nn.modules.linear.Linear',
    });
  });

  it('shows no control characters of the name', async () => {
    await expect(attempt(torchZip(evil('o\x1b[31ms', 'system')))).rejects.toMatchObject({ global: 'o?[31ms.system' });
  });

  it.each([
    ['the extension registry', concat(P.proto, [0x82, 1, 0x2e])],
    ['a call of an integer', pickle(P.int(1), P.emptyTuple, P.reduce)],
    ['a storage that is built', pickle(P.global('torch', 'FloatStorage'), P.emptyTuple, P.reduce)],
    ['a state for a number', pickle(P.int(1), P.none, P.build)],
    ['an item on an empty stack', pickle(P.setItem)],
    ['an unknown memo', pickle(P.get(3))],
    ['an unknown opcode', pickle([0xff])],
    ['protocol 77', concat([0x80, 77], P.none, P.stop)],
    ['an integer of 10^6 bytes', pickle([0x8b, 0x40, 0x42, 0x0f, 0x00], new Uint8Array(1_000_000))],
    ['no STOP', concat(P.proto, P.emptyDict)],
    ['a string that passes the end', pickle('X', [0xff, 0xff, 0xff, 0x7f])],
  ])('fails in a typed way: %s', async (_, data) => {
    await expect(attempt(torchZip(data))).rejects.toMatchObject({ name: 'CheckpointError', file: 'x.pth' });
  });
});

describe('structure', () => {
  const good = pickle(dictPickle({ a: tensorPickle() }));
  const storages = { 0: floats(1, 2, 3, 4) };

  it('prefers state_dict over model over the dict itself', async () => {
    const both = pickle(
      dictPickle({
        model: dictPickle({ m: tensorPickle() }),
        state_dict: dictPickle({ s: tensorPickle() }),
        top: tensorPickle(),
      }),
    );
    expect((await attempt(torchZip(both, storages))).keys).toEqual(['s']);
    const model = pickle(dictPickle({ model: dictPickle({ m: tensorPickle() }), top: tensorPickle() }));
    expect((await attempt(torchZip(model, storages))).keys).toEqual(['m']);
  });

  it('strips module., however often, and keeps the plain key when both exist', async () => {
    const data = pickle(
      dictPickle({
        'module.module.a': tensorPickle(),
        'module.b': tensorPickle({ offset: 0, shape: [1] }),
        b: tensorPickle({ offset: 1, shape: [1] }),
      }),
    );
    const checkpoint = await attempt(torchZip(data, storages));
    expect(checkpoint.keys).toEqual(['a', 'module.b', 'b']);
    expect([...(await checkpoint.read('b')).data]).toEqual([2]);
  });

  it.each<[string, string[], string[]]>([
    ['torch.compile', ['_orig_mod.a.w', '_orig_mod.b'], ['a.w', 'b']],
    ['a compiled part', ['a._orig_mod.w', 'b'], ['a.w', 'b']],
    ['DataParallel of DataParallel', ['module.module.a', 'module.module.b'], ['a', 'b']],
    [
      'DataParallel of a compiled model in a trainer',
      ['module._orig_mod.model.a', 'module._orig_mod.model.b'],
      ['a', 'b'],
    ],
    ['a trainer', ['model.a', 'model.b', 'criterion.weight'], ['a', 'b', 'criterion.weight']],
    ['AveragedModel', ['n_averaged', 'module.a'], ['n_averaged', 'a']],
    ['an EMA', ['ema_model.a', 'ema_model.b', 'initted'], ['a', 'b', 'initted']],
    ['a model with a part of that name', ['model.a', 'head.b'], ['model.a', 'head.b']],
  ])('sees through %s', async (_, stored, plain) => {
    const data = pickle(dictPickle(Object.fromEntries(stored.map((key) => [key, tensorPickle()]))));
    const checkpoint = await attempt(torchZip(data, storages));
    expect(checkpoint.keys).toEqual(plain);
    for (const key of plain) expect([...(await checkpoint.read(key)).data]).toEqual([1, 2, 3, 4]);
    const tensor = { dtype: 'f32', shape: [1], data: floats(7) } as const;
    const other = await attempt(writeSafetensors(stored.map((key) => ({ key, ...tensor }))));
    expect([...other.keys].sort()).toEqual([...plain].sort());
  });

  it.each(['model_state_dict', 'state_dict_ema', 'ema_state_dict', 'module'])('looks into %s', async (name) => {
    const data = pickle(dictPickle({ epoch: P.int(3), [name]: dictPickle({ a: tensorPickle() }) }));
    expect((await attempt(torchZip(data, storages))).keys).toEqual(['a']);
  });

  it('skips harmless values beside the weights', async () => {
    const call = (module: string, name: string, ...args: (Uint8Array | string | number[])[]) =>
      concat(P.global(module, name), P.mark, ...args, P.tuple, P.reduce);
    const beside = {
      best: call('numpy._core.multiarray', 'scalar', call('numpy', 'dtype', P.string('f8')), P.string('12345678')),
      history: concat(
        call('numpy._core.multiarray', '_reconstruct', P.global('numpy', 'ndarray'), P.emptyTuple, P.string('b')),
        concat(P.mark, P.int(1), P.string('xyz'), P.tuple),
        P.build,
      ),
      path: call('pathlib', 'PosixPath', P.string('/'), P.string('home')),
      when: call('datetime', 'datetime', P.string('\x07abc')),
      options: concat(call('easydict', 'EasyDict'), P.mark, P.string('lr'), P.int(1), P.setItems),
      dtype: P.global('torch', 'float16'),
    };
    const data = pickle(dictPickle({ ...beside, state_dict: dictPickle({ a: tensorPickle() }) }));
    const checkpoint = await attempt(torchZip(data, storages));
    expect(checkpoint.keys).toEqual(['a']);
    expect(checkpoint.metadata.skipped).toBe(Object.keys(beside).join(', '));
  });

  it('reads zip64 archives', async () => {
    expect(await values(torchZip(good, storages, { zip64: true }), 'a')).toEqual([1, 2, 3, 4]);
  });

  it('reads a legacy pickle of several megabytes', async () => {
    const data = pickle(dictPickle({ note: P.string('x'.repeat(5_000_000)), a: tensorPickle() }));
    const file = torchLegacy(data, ['0'], [concat(u64(4)), floats(1, 2, 3, 4)]);
    expect(await values(file, 'a')).toEqual([1, 2, 3, 4]);
    await expect(attempt(file.slice(0, 3_000_000))).rejects.toMatchObject({ code: 'truncated' });
  });

  it('survives data that contains itself', async () => {
    const cyclic = pickle(
      concat(P.emptyDict, P.put(0), P.string('self'), P.get(0), P.setItem),
      concat(P.string('a'), tensorPickle(), P.setItem),
    );
    expect(await values(torchZip(cyclic, storages), 'a')).toEqual([1, 2, 3, 4]);
    const selfState = pickle(P.emptyDict, P.put(0), P.string('state_dict'), P.get(0), P.setItem);
    await expect(attempt(torchZip(selfState))).rejects.toMatchObject({ code: 'unknown-format' });
  });

  it('says what a file without tensors holds', async () => {
    const data = pickle(dictPickle({ epoch: P.int(3), note: P.none }));
    await expect(attempt(torchZip(data))).rejects.toThrow(/no tensors by name were found; the dict holds epoch, note/);
    await expect(attempt(torchZip(pickle(P.int(1))))).rejects.toMatchObject({ code: 'unknown-format' });
  });

  it.each<[string, Uint8Array<ArrayBuffer>, string]>([
    ['a missing storage', torchZip(good), 'corrupt'],
    ['a storage of another size', torchZip(good, { 0: floats(1, 2, 3) }), 'corrupt'],
    ['a compressed pickle', torchZip(good, storages, { method: 8 }), 'unsupported'],
    ['another zip', zip({ 'word/document.xml': floats(1) }), 'unknown-format'],
    ['TorchScript', zip({ 'm/data.pkl': good, 'm/constants.pkl': good }), 'unsupported'],
    ['big-endian', zip({ 'm/data.pkl': good, 'm/byteorder': concat('big') }), 'unsupported'],
    ['big-endian legacy', torchLegacy(good, [], [], { littleEndian: false }), 'unsupported'],
    ['a storage that is never listed', torchLegacy(good, [], []), 'corrupt'],
    ['a listed storage that no tensor uses', torchLegacy(good, ['1'], []), 'corrupt'],
    ['another count in front of a storage', torchLegacy(good, ['0'], [concat(u64(5)), floats(1, 2, 3, 4)]), 'corrupt'],
    ['a legacy storage cut short', torchLegacy(good, ['0'], [concat(u64(4)), floats(1, 2)]), 'truncated'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(attempt(bytes)).rejects.toMatchObject({ name: 'CheckpointError', code, file: 'x.pth' });
  });

  it.each<[string, Parameters<typeof tensorPickle>[0], string]>([
    ['beyond its storage', { shape: [5] }, 'corrupt'],
    ['beyond its storage by its offset', { offset: 1 }, 'corrupt'],
    ['beyond its storage by its stride', { shape: [2], strides: [4] }, 'corrupt'],
    ['with a negative dimension', { shape: [-1] }, 'corrupt'],
    ['with fewer strides than dimensions', { shape: [2, 2] }, 'corrupt'],
    ['expanded to 2^40 elements', { shape: [2 ** 20, 2 ** 20], strides: [0, 0] }, 'too-large'],
  ])('refuses a tensor %s', async (_, tensor, code) => {
    const data = pickle(dictPickle({ a: tensorPickle(tensor) }));
    await expect(attempt(torchZip(data, storages))).rejects.toMatchObject({ name: 'CheckpointError', code });
  });

  it.each(['training.zip.pth', 'training.legacy.pth'])('notices %s cut at any byte', async (name) => {
    const whole = Uint8Array.from(readFileSync(fixture(name)));
    for (let length = 0; length < whole.length; length += 37) {
      await expect(attempt(whole.slice(0, length))).rejects.toMatchObject({
        code: expect.stringMatching(/truncated|unknown-format|corrupt/),
      });
    }
    await expect(attempt(whole.slice(0, -1))).rejects.toMatchObject({ code: 'truncated' });
  });
});
