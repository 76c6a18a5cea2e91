import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findChromium, hasChromium } from '@samtrack/chromium';
import { afterAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../src/arguments.js';
import { type BenchmarkResult, WrongOutputError } from '../src/contest.js';
import { renderHtml } from '../src/html.js';
import { kernelJobs, modelJobs } from '../src/jobs.js';
import type { ModelResult } from '../src/model.js';
import { type BenchReport, renderReport } from '../src/report.js';
import { summarise } from '../src/statistics.js';
import { benchInChromium, ChromiumBenchError, listChromiumJobs } from '../src/web/bench.js';
import { PageError, replyWith, unwrap } from '../src/web/protocol.js';
import { inChromium } from '../src/web/results.js';

const folder = mkdtempSync(join(tmpdir(), 'samtrack-bench-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A program that Node starts in Chromium's place. */
function program(name: string, ...lines: string[]): string {
  const file = join(folder, name);
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'), { mode: 0o755 });
  return file;
}

const ARGUMENTS = parseArguments(['--chromium', '--only', 'gemm@128x256x256', '--rounds', '2']);

describe('replies of the page', () => {
  it('carry values', async () => {
    expect(unwrap(await replyWith(async () => ({ ms: 3 })))).toEqual({ ms: 3 });
  });

  it('carry errors with their types, as JSON', async () => {
    const reply = async (error: Error) => {
      const sent = await replyWith<never>(() => Promise.reject(error));
      return JSON.parse(JSON.stringify(sent)) as typeof sent;
    };
    const wrong = await reply(new WrongOutputError('gemm differs'));
    expect(() => unwrap(wrong, WrongOutputError)).toThrow(WrongOutputError);
    expect(() => unwrap(wrong, WrongOutputError)).toThrow('gemm differs');
    const other = await reply(Object.assign(new RangeError('too far'), { code: 'far' }));
    expect(() => unwrap(other, WrongOutputError)).toThrow(PageError);
    expect(() => unwrap(other)).toThrow(
      expect.objectContaining({ name: 'RangeError', message: 'too far', code: 'far' }),
    );
  });
});

describe('results of the page', () => {
  const measurement = (ms: number) => ({ wall: summarise([ms]), count: 1 });
  const kernel: BenchmarkResult = {
    name: 'gemm@2x2x2',
    flops: 16,
    runners: { samtrack: measurement(2), tfjs: measurement(4), 'onnxruntime-wasm': measurement(1) },
    ratios: { tfjs: 2, 'onnxruntime-wasm': 0.5 },
    cpuRatios: {},
    errors: { tfjs: 1e-14, 'onnxruntime-wasm': 2e-14 },
    firstMs: { samtrack: 40, tfjs: 50, 'onnxruntime-wasm': 60 },
  };
  const model: ModelResult = {
    ...kernel,
    name: 'deaot-t@64x64',
    firstResultMs: 30,
    fps: 500,
    peakGpuBytes: 1e6,
    dispatches: 7,
  };
  const report: BenchReport = {
    schema: 1,
    date: '2026-01-01',
    versions: { chromium: '156.0' },
    quick: false,
    adapter: { vendor: 'google', architecture: 'swiftshader', device: '', description: '' },
    machine: {},
    ratios: {},
    ceilings: undefined,
    kernels: [inChromium(kernel)],
    models: [inChromium(model)],
    replayMicroseconds: {},
    notes: ['In Chromium, gemm@2x2x2: onnxruntime-webgpu failed: no adapter'],
  };

  it('name their runners as those of Chromium', () => {
    const { runners, ratios, errors, firstMs } = report.kernels[0]!;
    const names = ['chromium:samtrack', 'chromium:tfjs', 'chromium:onnxruntime-wasm'];
    expect(Object.keys(runners)).toEqual(names);
    expect(Object.keys(firstMs)).toEqual(names);
    expect(Object.keys(ratios)).toEqual(names.slice(1));
    expect(Object.keys(errors)).toEqual(names.slice(1));
    expect(report.models[0]).toMatchObject({ fps: 500, firstResultMs: 30 });
  });

  it('stand in the tables', () => {
    const [kernels, models] = renderReport(report).split('\n\n');
    expect(kernels).toMatch(/ORT WASM ms/);
    expect(kernels).not.toMatch(/ORT CPU/);
    expect(kernels).toMatch(/^gemm@2x2x2 +2\.00 .* 4\.00 +2\.00x +- +- +1\.00 +0\.500x$/m);
    expect(models).toMatch(/^deaot-t@64x64 +2\.00 /m);
    expect(renderReport(report)).toContain('onnxruntime-webgpu failed: no adapter');
  });

  it('stand in the page with plots, which names the adapter', () => {
    const html = renderHtml(report);
    expect(html).toContain('<th>chromium:onnxruntime-wasm</th>');
    expect(html).toContain('<td title="spread 0 %, first result 50.0 ms">4.00 (2.00x)');
    expect(html).not.toContain('chromium:onnxruntime-webgpu</th>');
    expect(html).toContain('<title>SAMTrack benchmark, swiftshader</title>');
  });
});

describe('which benchmarks run', () => {
  it('are small ones where the adapter is slow, unless others are named', () => {
    const request = { quick: true, twin: false };
    const names = kernelJobs({ ...request, small: 'alone' }).map(({ name }) => name);
    expect(names).toContain('gemm@128x256x256');
    expect(names).not.toContain('gemm@256x512x512');
    expect(modelJobs(request).map(({ name }) => name)).toEqual(['deaot-t@161x193']);
    expect(kernelJobs(request).map(({ name }) => name)).not.toContain('gemm@128x256x256');
    expect(listChromiumJobs({ ...ARGUMENTS, only: 'gemm' })).toEqual(
      expect.arrayContaining(['gemm@128x256x256', 'gemm@4096x768x3072']),
    );
  });

  it.each([
    [['--chromium', '--curves'], /--curves runs in Node/],
    [['--chromium', '--check'], /--check runs in Node/],
    [['--chromium', '--adapter', 'nvidia'], /gpu or software, not "nvidia"/],
    [['--chromium-path', '/usr/bin/chromium'], /--chromium-path is for --chromium/],
  ])('refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
  });
});

describe('a run in Chromium', () => {
  it('says what it looked for where there is no Chromium', async () => {
    const chromiumPath = join(folder, 'missing');
    const run = benchInChromium({ ...ARGUMENTS, chromiumPath }, { onNote: () => {} });
    await expect(run).rejects.toThrow(ChromiumBenchError);
    await expect(run).rejects.toThrow(`There is no Chromium at "${chromiumPath}".`);
  });

  it('says why Chromium does not start', async () => {
    const notes: string[] = [];
    const chromiumPath = program('broken', 'exit 3');
    const run = benchInChromium({ ...ARGUMENTS, chromiumPath }, { onNote: (note) => notes.push(note) });
    await expect(run).rejects.toThrow(ChromiumBenchError);
    await expect(run).rejects.toThrow(`${chromiumPath} does not start`);
    expect(notes).toEqual([expect.stringContaining('its software adapter is measured')]);
  });
});

if (!hasChromium()) console.warn('No Chromium here: the benchmarks are not tested in it.');

describe.skipIf(!hasChromium())('a run in Chromium that is here', () => {
  /** Processes of Chromium that this one has started. */
  const children = () =>
    execFileSync('ps', ['-eo', 'ppid,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.trim().startsWith(`${process.pid} `) && line.includes('--remote-debugging-pipe')).length;

  it('compares and times ours, tfjs and ONNX Runtime in turns', { timeout: 120_000 }, async () => {
    const notes: string[] = [];
    const adapter = 'software';
    const results = await benchInChromium({ ...ARGUMENTS, adapter }, { onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
    expect(results.version).toMatch(/^\d+\./);
    expect(results.adapter).toMatchObject({ architecture: 'swiftshader', kind: 'software' });
    expect(results.ceilings.gemmGflops).toBeGreaterThan(0);
    expect(results.models).toEqual([]);
    const [{ name, runners, ratios, errors, cpuRatios, firstMs }] = results.kernels as [BenchmarkResult];
    expect(name).toBe('gemm@128x256x256');
    const others = ['chromium:tfjs', 'chromium:onnxruntime-webgpu', 'chromium:onnxruntime-wasm'];
    expect(Object.keys(runners).sort()).toEqual(['chromium:samtrack', 'chromium:samtrack+transfer', ...others].sort());
    expect(Object.keys(ratios).sort()).toEqual([...others].sort());
    // Different sums: an output that was not computed by the other would be equal.
    for (const other of others) expect(errors[other]).toBeLessThan(1e-8);
    expect(errors['chromium:onnxruntime-wasm']).toBeGreaterThan(0);
    for (const { wall, cpu } of Object.values(runners)) {
      expect(wall.samples).toBe(2);
      expect(wall.median).toBeGreaterThan(0);
      expect(cpu).toBeUndefined();
    }
    expect(cpuRatios).toEqual({});
    expect(Object.keys(firstMs).sort()).toEqual(['chromium:samtrack', ...others].sort());
    expect(children()).toBe(0);
  });

  it('says so where Chromium has no WebGPU', { timeout: 60_000 }, async () => {
    const flags = '--disable-gpu --disable-software-rasterizer';
    const chromiumPath = program('without-gpu', `exec '${findChromium()}' "$@" ${flags}`);
    const notes: string[] = [];
    const run = benchInChromium({ ...ARGUMENTS, chromiumPath }, { onNote: (note) => notes.push(note) });
    await expect(run).rejects.toThrow(
      /^Neither samtrack nor onnxruntime-webgpu can run in Chromium here: No WebGPU adapter/,
    );
    expect(notes).toEqual([expect.stringContaining('Chromium has no WebGPU on a GPU here')]);
    expect(children()).toBe(0);
  });

  it('ends when it is told to, and takes Chromium with it', { timeout: 60_000 }, async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const run = benchInChromium(
      { ...ARGUMENTS, adapter: 'software' },
      {
        onNote: () => {},
        onProgress: (text) => text.startsWith('gemm') && setTimeout(() => controller.abort(reason), 200),
        signal: controller.signal,
      },
    );
    await expect(run).rejects.toBe(reason);
    expect(children()).toBe(0);
  });
});
