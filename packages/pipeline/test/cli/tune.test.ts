import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { samtrack } from './run.js';

const folder = temporaryFolder();
const SAM2_WEIGHTS = fileURLToPath(
  new URL('../../../models/test/fixtures/sam2/sam2-mini.manifest.json', import.meta.url),
);
afterEach(() => vi.unstubAllEnvs());

describe('samtrack tune', () => {
  it('measures and remembers, and other commands know', async () => {
    // Compiled shaders stay where they are: Mesa keeps them in the same folder.
    vi.stubEnv('MESA_SHADER_CACHE_DIR', process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'));
    vi.stubEnv('XDG_CACHE_HOME', folder);
    const argv = ['tune', '--weights', DEAOT_T_WEIGHTS, '--size', '65x65', '--long-edge', '65'];
    // What is enough is reached at once: a shape takes no longer than its default kernel does.
    const first = await samtrack([...argv, '--enough', '1e-9', '--budget', '10', '--json']);
    expect(first.status, first.err).toBe(0);
    const result = JSON.parse(first.out);
    expect(result.shapes.length).toBeGreaterThan(0);
    const tables = join(folder, 'samtrack', 'tuning');
    const [file] = readdirSync(tables) as [string];
    expect(JSON.parse(readFileSync(join(tables, file), 'utf8')).format).toBe('samtrack-tuning');

    const devices = await samtrack(['devices', '--json']);
    expect(JSON.parse(devices.out).tuning).toEqual({ 'measured shapes': result.shapes.length, warning: 'none' });

    writeFileSync(join(tables, file), 'no table');
    const damaged = await samtrack(['devices', '--json']);
    expect(damaged.status).toBe(0);
    expect(JSON.parse(damaged.out).tuning).toMatchObject({
      'measured shapes': 0,
      warning: expect.stringContaining(file),
    });
  });

  it('measures SAM 2.1 as the tracker that it is, its memory full', async () => {
    vi.stubEnv('MESA_SHADER_CACHE_DIR', process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'));
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'sam2'));
    const argv = ['tune', '--model', 'sam2.1-tiny', '--weights', SAM2_WEIGHTS, '--size', '48x64'];
    const { status, out, err } = await samtrack([...argv, '--enough', '1e-9', '--budget', '20', '--json']);
    expect(status, err).toBe(0);
    const shapes: { op: string; shape: string }[] = JSON.parse(out).shapes;
    // Seven memories of 64 positions, and 16 pointers of four tokens.
    expect(shapes.some(({ op, shape }) => op === 'gemm' && /\b512\b/.test(shape))).toBe(true);
  });

  it.each<[argv: string[], message: RegExp]>([
    [['--size', '480'], /--size needs HEIGHTxWIDTH of at least 32, not "480"/],
    [['--size', '8x8'], /of at least 32, not "8x8"/],
    [['--budget', '0'], /--budget needs a positive number/],
    [['--model', 'deaot-xl'], /--model is one of deaot-t, .*, grounding-dino-b, not "deaot-xl"/],
    [['--model', 'sam-vit-b', '--weights', 'w', '--long-edge', '5'], /--long-edge is for trackers/],
  ])('refuses %j', async (argv, message) => {
    expect(await samtrack(['tune', ...argv])).toMatchObject({ status: 2, err: expect.stringMatching(message) });
  });
});
