import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type Checkpoint,
  openCheckpoint,
  storedAs,
  streamSafetensors,
  writeSafetensors,
} from '@samtrack/models/checkpoint';
import { catalog } from '@samtrack/weights';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type App, describeApp } from './app.js';

const MOBILE_SAM = catalog.find(({ title }) => title === 'MobileSAM')!;

/** Bytes of no model at all: what counts here is how they come. */
const BYTES = Buffer.alloc(3_000_000, 7);

/** The tracker that comes with the page, as float16. */
const EMBEDDED = new URL('../../../weights/embedded/deaot-t.safetensors', import.meta.url);

async function asBytes(checkpoint: Checkpoint, dtype: 'f32' | 'f16', source: string) {
  const pieces: Uint8Array[] = [];
  const { entries, metadata } = await storedAs(checkpoint, dtype);
  const said = { ...metadata, source };
  for await (const piece of streamSafetensors(entries, { metadata: said })) pieces.push(piece);
  return Buffer.concat(pieces);
}

interface Mirror {
  server: Server;
  url: string;
  /** Ranges that were asked for. */
  ranges: (string | undefined)[];
  mode: 'whole' | 'broken' | 'html' | 'missing' | 'other';
  /** Breaks the connections off that have sent a part, in the mode `broken`. */
  breakOff: () => void;
  /** What it serves, whatever it is asked for. */
  bytes: Buffer;
}

async function openMirror(): Promise<Mirror> {
  const mirror: Mirror = {
    server: createServer(),
    url: '',
    ranges: [],
    mode: 'whole',
    breakOff: () => {},
    bytes: BYTES,
  };
  mirror.server.on('request', (request, response) => {
    const { range } = request.headers;
    mirror.ranges.push(range);
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', 'range');
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    if (mirror.mode === 'missing') return response.writeHead(404).end();
    if (mirror.mode === 'html') return response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in</p>');
    if (mirror.mode === 'other') return response.end(Buffer.alloc(MOBILE_SAM.size!));
    const start = Number(/bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
    response.writeHead(range ? 206 : 200, { 'content-length': mirror.bytes.length - start });
    if (mirror.mode === 'broken') {
      response.write(mirror.bytes.subarray(start, start + 1_000_000));
      mirror.breakOff = () => response.destroy();
    } else response.end(mirror.bytes.subarray(start));
    return response;
  });
  mirror.server.listen(0, '127.0.0.1');
  await new Promise((listening) => mirror.server.once('listening', listening));
  mirror.url = `http://localhost:${(mirror.server.address() as AddressInfo).port}/`;
  return mirror;
}

describeApp('the manager of models', (open) => {
  let mirror: Mirror;
  beforeAll(async () => {
    mirror = await openMirror();
  });
  afterAll(() => {
    mirror.server.closeAllConnections();
    mirror.server.close();
  });

  const manager = async (): Promise<App> => {
    const app = await open({
      query: `models=${encodeURIComponent(mirror.url)}`,
      // What another test was downloading may still be written.
      fresh: true,
      expected: /localhost|404|Failed to load/,
    });
    await app.page.getByRole('button', { name: 'Models' }).click();
    return app;
  };
  const row = (app: App) => app.page.locator('.model', { hasText: 'MobileSAM' });
  const get = async (app: App) => {
    await row(app).getByRole('button', { name: /^Get/ }).click();
    await row(app)
      .getByRole('button', { name: /^Download/ })
      .click();
  };
  const stored = (app: App) =>
    app.page.evaluate(async () => {
      const sizes: Record<string, number> = {};
      const root = await navigator.storage.getDirectory();
      const home = await root.getDirectoryHandle('samtrack', { create: true });
      for await (const handle of (await home.getDirectoryHandle('models', { create: true })).values()) {
        sizes[handle.name] = (await (handle as FileSystemFileHandle).getFile()).size;
      }
      return sizes;
    });

  it('lists the catalogue with size and licence, and asks before it downloads', async () => {
    mirror.mode = 'missing';
    mirror.ranges.length = 0;
    const app = await manager();
    expect(await row(app).textContent()).toMatch(/41 MB · Apache-2\.0/);
    await row(app).getByRole('button', { name: /^Get/ }).click();
    expect(mirror.ranges).toEqual([]);
    await row(app)
      .getByRole('button', { name: /^Download/ })
      .click();
    await expect.poll(() => row(app).textContent()).toMatch(/answers 404/);
  });

  it('goes on where a download broke off', async () => {
    const app = await manager();
    mirror.mode = 'broken';
    await get(app);
    await expect.poll(async () => Object.values(await stored(app))[0]).toBe(1_000_000);
    mirror.breakOff();
    await expect.poll(() => row(app).textContent()).toMatch(/Go on at/);
    const [part] = Object.values(await stored(app));
    expect(part).toBe(1_000_000);
    mirror.mode = 'whole';
    mirror.ranges.length = 0;
    await row(app)
      .getByRole('button', { name: /^Go on/ })
      .click();
    await expect.poll(() => mirror.ranges).toContain(`bytes=${part}-`);
  });

  it('takes no web page for a model, and keeps nothing that is wrong', async () => {
    const app = await manager();
    mirror.mode = 'html';
    await get(app);
    await expect.poll(() => row(app).textContent()).toMatch(/sends a web page in place of mobile_sam\.pt/);
  });

  it('does not take a file whose hash is another one', async () => {
    const app = await manager();
    mirror.mode = 'other';
    await get(app);
    await expect.poll(() => row(app).textContent()).toMatch(/is not what its publisher says/);
    expect(Object.keys(await stored(app))).not.toContain(MOBILE_SAM.file);
  });

  it('stores what it has downloaded as float16, in half of the room, and says so', async () => {
    const entry = catalog.find(({ id }) => id === 'deaot-t')!;
    const embedded = await openCheckpoint(readFileSync(EMBEDDED));
    const published = await asBytes(embedded, 'f32', 'published');
    mirror.mode = 'whole';
    mirror.bytes = published;
    const app = await manager();
    const row = app.page.locator('.model', { hasText: entry.title });
    await row.getByRole('button', { name: /^Get/ }).click();
    await row.getByRole('button', { name: /^Download/ }).click();
    const name = `${entry.file}.f16.safetensors`;
    const here = app.page.locator('.model', { hasText: name });
    await expect.poll(() => here.textContent()).toMatch(/14\.8 MB as float16|15 MB as float16/);
    // It is listed once, and what was downloaded is gone.
    expect(await row.count()).toBe(1);
    const sizes = await stored(app);
    expect(Object.keys(sizes)).toEqual([name]);
    expect(sizes[name]! / published.length).toBeLessThan(0.52);
    const digest = await app.page.evaluate(async (file) => {
      const root = await navigator.storage.getDirectory();
      const models = await (await root.getDirectoryHandle('samtrack')).getDirectoryHandle('models');
      const bytes = await (await (await models.getFileHandle(file)).getFile()).arrayBuffer();
      return [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))];
    }, name);
    const expected = await asBytes(await openCheckpoint(published), 'f16', entry.file);
    expect(Buffer.from(digest)).toEqual(createHash('sha256').update(expected).digest());
    mirror.bytes = BYTES;
  });

  it('takes a checkpoint from a file, says what it is, and deletes it', async () => {
    const app = await open();
    const bytes = readFileSync(EMBEDDED);
    await app.drop({ name: 'mine.safetensors', bytes });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/mine\.safetensors: .*DeAOT.*ready as the tracker/);
    expect(await stored(app)).toEqual({ 'mine.safetensors': bytes.length });
    await app.page.getByRole('button', { name: 'Models' }).click();
    const mine = app.page.locator('.model', { hasText: 'mine.safetensors' });
    await expect.poll(() => mine.textContent()).toMatch(/in use.*14\.6 MB|15 MB/);
    app.page.on('dialog', (dialog) => dialog.accept());
    await mine.getByRole('button', { name: /^Delete/ }).click();
    await mine.waitFor({ state: 'detached' });
    expect(await stored(app)).toEqual({});
  });

  it('offers SAM 2.1 as the segmenter and as the tracker', async () => {
    const app = await open();
    // What a model is, keys and some shapes tell.
    const tensor = (key: string, ...shape: number[]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      return { key, dtype: 'f32', shape, data: new Uint8Array(4 * size) } as const;
    };
    const blocks = Array.from({ length: 12 }, (_, i) => tensor(`image_encoder.trunk.blocks.${i}.norm1.weight`, 1));
    const rest = [tensor('memory_attention.norm.weight', 1), tensor('no_obj_embed_spatial', 1)];
    const patches = tensor('image_encoder.trunk.patch_embed.proj.weight', 96, 1);
    await app.drop({ name: 'both.safetensors', bytes: writeSafetensors([...blocks, ...rest, patches]) });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/both\.safetensors: SAM 2\.1, tiny .*ready as the segmenter/);
    await app.page.getByRole('button', { name: 'Models' }).click();
    const rows = app.page.locator('.model', { hasText: 'both.safetensors' });
    await expect.poll(() => rows.count()).toBe(2);
    const inUse = app.page.locator('.model.in-use', { hasText: 'both.safetensors' });
    expect(await inUse.count()).toBe(1);
    await app.page.getByTitle('Use both.safetensors as the tracker').click();
    await expect.poll(() => inUse.count()).toBe(2);
    // Where it is deleted, what comes with the page is used again, for both.
    app.page.on('dialog', (dialog) => dialog.accept());
    await rows
      .first()
      .getByRole('button', { name: /^Delete/ })
      .click();
    await expect.poll(() => rows.count()).toBe(0);
    for (const what of ['turns clicks', 'follows objects']) {
      const own = app.page.locator('section.models', { hasText: what }).locator('.model.in-use');
      await expect.poll(() => own.count()).toBe(1);
    }
  });

  it('refuses a checkpoint that is none, by name', async () => {
    const app = await open();
    await app.drop({ name: 'evil.pth', bytes: new TextEncoder().encode('cos\nsystem\n(S"rm"\ntR.') });
    await expect.poll(async () => (await app.notices()).join()).toMatch(/evil\.pth/);
    expect(await stored(app)).toEqual({});
  });
});
