import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { optionalCommands } from '../../src/cli/optional.js';
import { temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS } from '../tracking/scene.js';
import { samtrack } from './run.js';

const folder = temporaryFolder();
const golden = fileURLToPath(
  new URL('../../../models/test/fixtures/deaot/deaot-t-14obj.taps.safetensors', import.meta.url),
);

describe('samtrack', () => {
  it('prints its commands', async () => {
    const { status, out } = await samtrack(['--help']);
    expect(status).toBe(0);
    for (const name of ['track', 'export', 'eval', 'verify', 'devices', 'tune', 'weights'])
      expect(out).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(await samtrack([])).toMatchObject({ status: 2, out });
  });

  it('says which package a command needs that is not there', async () => {
    await expect(optionalCommands('@samtrack/not-there', 'samtrack fly')).rejects.toThrow(
      'samtrack fly needs the package @samtrack/not-there: npm install @samtrack/not-there',
    );
  });

  it('prints its version', async () => {
    expect(await samtrack(['--version'])).toMatchObject({ status: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  it.each(['track', 'export', 'eval', 'verify', 'devices', 'tune', 'weights'])(
    '%s --help says how to use it',
    async (name) => {
      const { status, out, err } = await samtrack([name, '--help']);
      expect({ status, err }).toEqual({ status: 0, err: '' });
      expect(out).toMatch(new RegExp(`^Usage: samtrack ${name} `));
      // Fits a terminal of the width that the text was written for.
      expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(120);
      expect(await samtrack([name, '-h'])).toEqual({ status, out, err });
    },
  );

  it.each<[argv: string[], message: RegExp]>([
    [['frobnicate'], /there is no command "frobnicate"\n/],
    [['trakc'], /there is no command "trakc"; track is near it\n/],
    [['track'], /needs a source/],
    [['track', 'a', 'b', '--out', 'o'], /takes one source, not 2: a, b/],
    [['track', 'a', '--out', 'o', '--pont', '1,1'], /^samtrack track: there is no option --pont; --point is near it\n/],
    [['track', 'a', '--out', 'o', '--point', '-5,3'], /^samtrack track: --point needs a value; .* --point=-\.\.\.\n/],
    [['track', 'a', '--out', 'o', '--from', '5', '--to', '3'], /--to 3 is the frame to stop before: .* behind 5/],
    [['track', 'a', '--quiet=yes'], /^samtrack track: Option '-q, --quiet' does not take an argument\n/],
    [['track', 'a', '--out', 'o', '-x'], /^samtrack track: there is no option -x\n/],
    [['track', 'a', '--mode', 'fusion', '--text', 'x.'], /pull grounding-dino-t`, or give --detector FILE$/m],
    [['track', 'a', '--point', '1,1', '--segmenter', 'sam-vit-b'], /pull sam-vit-b`, or give --segmenter FILE$/m],
    [['segment', 'a', '--point', '1,1', '--out', 'o', '--model', 'sam-vit-b'], /or give --weights FILE$/m],
    [['track', 'a'], /needs --out/],
    [['track', 'a', '--out', 'o', '--wat'], /--wat/],
    [['track', 'a', '--out'], /^samtrack track: --out needs a value\n/],
    [['track', 'a', '--out', 'o', '--resume', '--overwrite'], /--resume and --overwrite/],
    [['track', 'a', '--out', 'o', '--model', 'deaot-xl'], /--model is one of deaot-t, .*, not "deaot-xl"/],
    [
      ['track', 'a', '--out', 'o', '--tracker', 'deaot-t', '--model', 'deaot-l'],
      /deaot-t and model deaot-l are two models/,
    ],
    [
      ['track', 'a', '--out', 'o', '--tracker', 'deaot', '--model', 'sam2.1-tiny'],
      /no model "sam2.1-tiny"; there are deaot-t/,
    ],
    [
      ['track', 'a', '--out', 'o', '--tracker', 'propagation', '--model', 'deaot-t'],
      /--model is for --tracker deaot and sam2/,
    ],
    [['track', 'a', '--out', 'o', '--model', 'swinb-deaot-l'], /no weights of swinb-deaot-l come with samtrack/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--memory-mb', '-3'], /--memory-mb/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--memory-mb=-3'], /--memory-mb needs a positive number, not "-3"/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--long-edge', '4.5'], /--long-edge needs a positive whole number/],
    [['track', 'a', '--out', 'o', '--quality', 'high', '--long-edge', '641'], /--quality and --long-edge both say/],
    [
      ['track', 'a', '--out', 'o', '--tracker', 'sam2', '--zoom', 'off'],
      /--zoom is for --tracker deaot and propagation/,
    ],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--long-term-gap', '0'], /--long-term-gap needs a positive whole/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--memory-policy', 'lru'], /is one of sparse, fifo, unbounded/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--from', ''], /--from needs a whole number/],
    [['track', 'a', '--out', 'o', '--weights', 'w', '--palette', 'x'], /--palette is one of davis, samtrack/],
    [['eval'], /the name of a data set, davis or youtube-vos, or clicks$/m],
    [['eval', 'coco'], /davis or youtube-vos, or clicks, not "coco"/],
    [['eval', 'davis'], /needs --root$/m],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--clicks', '3'], /--clicks is for tracking: add --run/],
    [['eval', 'davis', '--root', 'r', '--segmenter', 'sam-vit-b'], /--segmenter goes with --clicks/],
    [
      ['eval', 'youtube-vos', '--root', 'r', '--json', 'x'],
      /--json is for scores, which only the server of youtube-vos valid/,
    ],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--year', '2018'], /--year is one of 2016, 2017, 2019/],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--sequences', ','], /--sequences needs names/],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--weights', 'w'], /--weights is for tracking: add --run/],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--overwrite'], /--overwrite is for tracking: add --run/],
    [['eval', 'davis', '--root', 'r', '--results', 's', '--run', '--task', 'unsupervised'], /semi-supervised/],
    [['verify', '--model', 'deaot-t'], /needs --manifest and --taps/],
    [['verify', '--model', 'deaot-xl'], /--model is one of/],
    [['devices', 'extra'], /extra/],
    [['weights', 'frobnicate'], /frobnicate/],
  ])('%j is wrong usage', async (argv, message) => {
    const { status, out, err } = await samtrack(argv);
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(message);
    // No stack: one line on what is wrong, and where to read on.
    expect(err).not.toMatch(/^ +at /m);
    expect(err).toMatch(/--help|Commands:|Usage:/);
  });
});

describe('samtrack devices', () => {
  it('shows the adapter and the kernels it gets', async () => {
    const { status, out } = await samtrack(['devices']);
    expect(status).toBe(0);
    for (const part of ['engines', 'adapter', 'class', 'limits', 'selected kernels', 'features']) {
      expect(out).toMatch(new RegExp(`^${part}$`, 'm'));
    }
    const json = JSON.parse((await samtrack(['devices', '--json'])).out);
    expect(json.limits.maxBufferSize).toBeGreaterThan(0);
    expect(json.class.kind).toMatch(/software|integrated|discrete/);
    expect(Object.keys(json.variants)).toContain('local attention');
  });

  it('shows the engines, with a measured speed, and which one is taken', async () => {
    const { engines, auto } = JSON.parse((await samtrack(['devices', '--measure', '--threads', '1', '--json'])).out);
    expect(engines.webgpu.gflops).toBeGreaterThan(0);
    expect(engines.cpu).toMatchObject({ device: expect.stringMatching(/ONNX Runtime/), threads: 1 });
    expect(engines.cpu.gflops).toBeGreaterThan(0);
    expect(auto).toMatch(/^engine (cpu|webgpu): /);
  });

  it('says when there is no such adapter', async () => {
    const { status, err } = await samtrack(['devices', '--adapter', 'nosuch']);
    expect(status).toBe(1);
    expect(err).toMatch(/^samtrack devices: No WebGPU adapter named like "nosuch" was found/m);
  });
});

describe('samtrack verify', () => {
  it('compares a model with its golden', async () => {
    // The fixture was computed with another seed than the manifest has.
    const { default: manifest } = await import('../../../models/test/fixtures/deaot/deaot-t.manifest.json');
    const right = join(folder, 'seed-13.json');
    writeFileSync(right, JSON.stringify({ ...manifest, seed: 13 }));
    const argv = ['verify', '--model', 'deaot-t', '--taps', golden, '--manifest'];
    const good = await samtrack([...argv, right]);
    expect(good.status).toBe(0);
    expect(good.out).toMatch(/ok +frame2\.logits4x +\d\.\d\de-\d+ \(limit 1e-6\)/);
    expect(good.out).toMatch(/ok +frame2\.label_u8 +(100\.000|99\.9\d\d) % of pixels agree/);
    expect(good.out).toMatch(/All 4 within tolerance/);
    const bad = await samtrack([...argv, DEAOT_T_WEIGHTS, '--json']);
    expect(bad.status).toBe(1);
    expect(JSON.parse(bad.out)).toMatchObject({ model: 'deaot-t', pass: false });
  });

  it('says which file is missing', async () => {
    const { status, err } = await samtrack([
      'verify',
      '--model',
      'deaot-t',
      '--manifest',
      'nosuch.json',
      '--taps',
      golden,
    ]);
    expect(status).toBe(1);
    expect(err).toMatch(/nosuch\.json/);
  });
});

describe('samtrack weights inspect', () => {
  it('tells the model of a checkpoint', async () => {
    const { status, out } = await samtrack(['weights', 'inspect', DEAOT_T_WEIGHTS]);
    expect(status).toBe(0);
    expect(out).toMatch(/DeAOT-T/i);
    expect(out).toMatch(/^format +procedural/m);
  });
});
