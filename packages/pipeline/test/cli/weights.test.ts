import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SafetensorsEntry, writeSafetensors } from '@samtrack/models/checkpoint';
import { catalog } from '@samtrack/weights';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.js';
import { weightsCommand } from '../../src/cli/weights/index.js';

const tensor = (key: string, ...values: number[]): SafetensorsEntry => ({
  key,
  dtype: 'f32',
  shape: [1, values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const deaot = [tensor('encoder.features.0.0.weight', 1, 2), tensor('LSTT.layers.0.norm1.weight', 3)];

let folder: string;
let out: string;
let err: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weights-cli-'));
  out = err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

async function fileOf(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const weights = (argv: readonly string[]) => main(['weights', ...argv]);

describe('samtrack weights', () => {
  it.each([[['--help']], [['-h']], [['pull', '--help']]])('%j prints the help', async (argv) => {
    expect(await weights(argv)).toBe(0);
    expect(out).toBe(weightsCommand.help);
  });

  it.each<[string[], RegExp]>([
    [[], /a command is missing/],
    [['frobnicate'], /no command "frobnicate"/],
    [['constructor'], /no command "constructor"/],
    [['inspect'], /inspect needs 1/],
    [['pull'], /pull needs at least 1/],
    [['inspect', 'a', 'b'], /inspect takes 1 operand, not 2/],
    [['list', '--keys'], /list has no option --keys/],
    [['list', '--wat'], /--wat/],
    [['convert', 'a', '--dtype', 'int4'], /one of f32, f16/],
  ])('%j is wrong usage', async (argv, message) => {
    expect(await weights(argv)).toBe(2);
    expect(err).toMatch(message);
    expect(out).toBe('');
  });

  it('list shows every entry and what is in the cache', async () => {
    await fileOf('mobile_sam.pt', 'x');
    expect(await weights(['list', '--cache', folder])).toBe(0);
    for (const { id } of catalog) expect(out).toContain(`${id} `);
    expect(out.split('\n').filter((line) => line.includes('in cache'))).toEqual([expect.stringMatching(/^mobile-sam/)]);
    out = '';
    await weights(['list', '--json', '--cache', folder]);
    expect(JSON.parse(out)).toHaveLength(catalog.length);
  });

  it('pull looks up every name before it fetches any', async () => {
    expect(await weights(['pull', 'deaot-t', 'deaot-x', '--cache', folder])).toBe(1);
    expect(err).toMatch(/no checkpoint is called "deaot-x"/);
  });

  it('inspect tells what a file holds', async () => {
    const path = await fileOf('w.pth', writeSafetensors(deaot, { metadata: { note: 'hello' } }));
    expect(await weights(['inspect', path])).toBe(0);
    expect(out).toMatch(/format +safetensors/);
    expect(out).toMatch(/tensors +2 \(2 f32\)/);
    expect(out).toMatch(/values +3 /);
    expect(out).toMatch(/model +DeAOT, mobilenetv2 encoder, 1 layer \(deaot-t\)/);
    expect(out).toMatch(/note +hello/);
    expect(out).not.toContain('norm1');
    await weights(['inspect', path, '--keys']);
    expect(out).toMatch(/^encoder\.features\.0\.0\.weight +f32 +\[1, 2\]$/m);
    out = '';
    await weights(['inspect', path, '--keys', '--json']);
    expect(JSON.parse(out)).toMatchObject({ format: 'safetensors', values: 3, dtypes: { f32: 2 }, tensors: [{}, {}] });
  });

  it('inspect works on a manifest', async () => {
    const tensors = [{ name: 'a', shape: [2, 3], scale: 1, offset: 0 }];
    const path = await fileOf('m.json', JSON.stringify({ seed: 1, tensors }));
    expect(await weights(['inspect', path])).toBe(0);
    expect(out).toMatch(/format +procedural/);
    expect(out).toMatch(/model +unknown/);
  });

  it.each<[string, Uint8Array | string, RegExp]>([
    ['AOT', writeSafetensors([...deaot, tensor('LSTT.mask_token', 1)]), /this is AOT, not DeAOT/],
    ['a page', '<html>', /looks like an HTML page/],
    ['a pickle that runs code', "cos\nsystem\n(S'true'\ntR.", /os\.system/],
  ])('inspect fails on %s and says why', async (_, content, message) => {
    expect(await weights(['inspect', await fileOf('w.pth', content)])).toBe(1);
    expect(out + err).toMatch(message);
  });

  it('verify reads everything', async () => {
    const good = await fileOf('w.safetensors', writeSafetensors(deaot));
    expect(await weights(['verify', good])).toBe(0);
    expect(out).toMatch(/result +good/);
    const bad = await fileOf('n.safetensors', writeSafetensors([tensor('a', Number.NaN)]));
    expect(await weights(['verify', bad])).toBe(1);
    expect(out).toMatch(/problem +"a" holds NaN at flat index 0/);
    expect(await weights(['verify', good, '--as', 'sam-vit-b'])).toBe(1);
    expect(out).toMatch(/problem +SHA-256 is/);
  });

  it('verify finds a file in the cache by its name in the catalogue', async () => {
    await fileOf('mobile_sam.pt', writeSafetensors(deaot));
    expect(await weights(['verify', 'mobile-sam', '--cache', folder])).toBe(1);
    expect(out).toMatch(/is +MobileSAM/);
    expect(await weights(['verify', 'sam-vit-b', '--cache', folder])).toBe(1);
    expect(err).toMatch(/sam_vit_b_01ec64\.pth: cannot open/);
  });

  it('convert writes beside the input and overwrites nothing', async () => {
    const path = await fileOf('w.pth', writeSafetensors(deaot));
    expect(await weights(['convert', path, '--dtype', 'f16'])).toBe(0);
    expect(out).toContain(join(folder, 'w.f16.safetensors'));
    expect(await weights(['convert', path, '--dtype', 'f16'])).toBe(1);
    expect(err).toMatch(/exists already/);
    out = '';
    await weights(['inspect', join(folder, 'w.f16.safetensors')]);
    expect(out).toMatch(/2 f16/);
  });

  it('leaves no signal handler behind', async () => {
    const before = process.listenerCount('SIGINT');
    await weights(['list', '--cache', folder]);
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
