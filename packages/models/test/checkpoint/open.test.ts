import { readFileSync } from 'node:fs';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError, openCheckpoint, writeSafetensors } from '../../src/checkpoint/index.js';
import { concat, floats } from './builders.js';

const fixture = (name: string) => new URL(`../fixtures/checkpoint/${name}`, import.meta.url);
const small = writeSafetensors([{ key: 'a', dtype: 'f32', shape: [2], data: floats(1, 2) }]);
const manifest = { seed: 7, tensors: [{ name: 'a.weight', shape: [3], scale: 1, offset: 0 }] };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('openCheckpoint', () => {
  it.each([
    ['bytes', () => small],
    ['an ArrayBuffer', () => small.buffer],
    ['a Blob', () => new Blob([small])],
    ['a File', () => new File([small], 'w.safetensors')],
  ])('opens %s', async (_, input) => {
    const checkpoint = await openCheckpoint(input());
    expect([...(await checkpoint.read('a')).data]).toEqual([1, 2]);
  });

  it('opens a path and a file URL, whatever the name says', async () => {
    const path = join(folder, 'weights.bin');
    await writeFile(path, small);
    for (const input of [path, pathToFileURL(path), String(pathToFileURL(path))]) {
      const checkpoint = await openCheckpoint(input);
      expect(checkpoint).toMatchObject({ format: 'safetensors', file: path });
      expect([...(await checkpoint.read('a')).data]).toEqual([1, 2]);
      await checkpoint.close();
    }
  });

  it('opens a manifest', async () => {
    const checkpoint = await openCheckpoint(concat(JSON.stringify(manifest)));
    expect(checkpoint.format).toBe('procedural');
    expect((await checkpoint.read('a.weight')).data[0]).toBeCloseTo(-0.203159585, 8);
  });

  it('reports a closed file, and one that is cut while open', async () => {
    const path = join(folder, 'cut.pth');
    await writeFile(path, readFileSync(fixture('training.zip.pth')));
    const cut = await openCheckpoint(path);
    await truncate(path, 100);
    await expect(cut.read('contiguous')).rejects.toMatchObject({ code: 'truncated', file: path });
    await cut.close();
    await expect(cut.read('contiguous')).rejects.toMatchObject({ code: 'closed', file: path });
  });

  it.each<[string, string | Uint8Array, string, RegExp]>([
    [
      'an HTML page',
      '\n<!DOCTYPE html><html><title>Google Drive - Quota exceeded</title>',
      'html',
      /looks like an HTML page/,
    ],
    ['an HTML page without doctype', '\ufeff<html>', 'html', /HTML/],
    ['an XML error', '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'html', /HTML/],
    ['an LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'unknown-format', /git lfs pull/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), 'unsupported', /gzip/],
    ['tar', concat(new Uint8Array(257), 'ustar', new Uint8Array(300)), 'unsupported', /tar/],
    ['nothing', '', 'truncated', /empty/],
    ['text', 'Not found', 'unknown-format', /neither/],
    ['other JSON', '{"error": "not found"}', 'corrupt', /seed/],
    ['broken JSON', '{"seed": 1, ', 'corrupt', /JSON/],
    ['a bare pickle', Uint8Array.of(0x80, 2, 0x4e, 0x2e), 'unknown-format', /torch\.save/],
  ])('says what is wrong with %s', async (_, content, code, message) => {
    const promise = openCheckpoint(concat(content), { name: 'w.pth' });
    await expect(promise).rejects.toMatchObject({ name: 'CheckpointError', code, file: 'w.pth' });
    await expect(promise).rejects.toThrow(message);
  });

  it.each([['no-such-file.pth'], ['.']])('says that "%s" cannot be opened', async (path) => {
    await expect(openCheckpoint(join(folder, path))).rejects.toMatchObject({ code: 'unreadable' });
  });

  it('closes what it was given when aborted', async () => {
    let closed = 0;
    const source = { name: 'w', size: small.length, read: async () => small, close: async () => void closed++ };
    await expect(openCheckpoint(source, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    expect(closed).toBe(1);
  });

  it('does nothing when aborted', async () => {
    await expect(openCheckpoint(small, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
  });
});

describe('whatever the bytes are, the error is typed', () => {
  /** Opens and reads everything; anything but success or a CheckpointError is a failure. */
  async function exercise(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      const checkpoint = await openCheckpoint(bytes);
      for (const key of checkpoint.keys) await checkpoint.read(key);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
    }
  }
  const magic = fc.constantFrom('', 'PK\x03\x04', '\x80\x02', '\x10\0\0\0\0\0\0\0{', '{"seed":1,"tensors":[');

  it('random bytes behind every magic', async () => {
    await fc.assert(
      fc.asyncProperty(magic, fc.uint8Array({ maxLength: 200 }), (head, tail) =>
        exercise(
          concat(
            Uint8Array.from(head, (c) => c.charCodeAt(0)),
            tail,
          ),
        ),
      ),
      { numRuns: 500 },
    );
  });

  const files = ['module.zip.pth', 'training.legacy.pth'].map((name) => Uint8Array.from(readFileSync(fixture(name))));
  files.push(small);

  it('good files with bytes changed', async () => {
    const change = fc.tuple(fc.nat(1 << 20), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 5 }), (file, changes) => {
        const bytes = file.slice();
        for (const [position, value] of changes) bytes[position % bytes.length] = value;
        return exercise(bytes);
      }),
      { numRuns: 500 },
    );
  });
});
