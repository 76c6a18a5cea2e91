import { describe, expect, it } from 'vitest';
import { parseArguments, UsageError } from '../src/arguments.js';
import { checkOutput, compareRunners, WrongOutputError } from '../src/contest.js';
import { toChannelsFirst, toChannelsLast } from '../src/kernels.js';
import { measure } from '../src/measure.js';
import { median, quantile, summarise } from '../src/statistics.js';
import { formatNumber, renderTable } from '../src/table.js';

describe('statistics', () => {
  it('interpolates quantiles', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.95)).toBe(9.5);
    expect(() => median([])).toThrow(RangeError);
  });

  it('gives the spread as a share of the median', () => {
    expect(summarise([1, 2, 3, 4, 5])).toEqual({ median: 3, min: 1, max: 5, p95: 4.8, spread: 2 / 3, samples: 5 });
  });
});

describe('measure', () => {
  it('runs the runners in turn', async () => {
    const calls: string[] = [];
    const runner = (name: string) => ({
      name,
      run: async (count: number) => {
        for (let i = 0; i < count; i++) calls.push(name);
      },
    });
    const measured = await measure([runner('a'), runner('b')], { rounds: 3, sampleMs: 0 });
    expect(calls.join('')).toBe('ababab');
    expect(measured.get('a')!.wall.samples).toBe(3);
  });

  it('keeps the GPU busy before each sample, except where a run takes longer', async () => {
    const runs = { quick: 0, slow: 0 };
    const runner = (name: keyof typeof runs, milliseconds: number) => ({
      name,
      run: async (count: number) => {
        runs[name] += count;
        await new Promise((resolve) => setTimeout(resolve, count * milliseconds));
      },
    });
    const measured = await measure([runner('quick', 5), runner('slow', 60)], { rounds: 2, sampleMs: 0, warmMs: 30 });
    expect(runs.quick).toBeGreaterThan(6);
    expect(runs.slow).toBe(2);
    expect(measured.get('quick')!.count).toBe(1);
  });

  it('stops when the budget is spent, but not before the second round', async () => {
    let runs = 0;
    const slow = {
      name: 'slow',
      run: async () => {
        runs++;
        await new Promise((resolve) => setTimeout(resolve, 5));
      },
    };
    const measured = await measure([slow], { rounds: 50, sampleMs: 0, budgetMs: 1 });
    expect(measured.get('slow')!.wall.samples).toBe(2);
    expect(runs).toBe(2);
  });
});

describe('comparison', () => {
  const measurement = (ms: number) => ({ wall: summarise([ms]), cpu: summarise([ms]), count: 1 });

  it('sets runners that transfer data against ours that does', () => {
    const runners = {
      samtrack: measurement(2),
      'samtrack+transfer': measurement(4),
      tfjs: measurement(6),
      'onnxruntime-webgpu': measurement(12),
    };
    expect(compareRunners(runners, ({ wall }) => wall.median)).toEqual({ tfjs: 3, 'onnxruntime-webgpu': 3 });
  });

  it('refuses outputs that differ, and NaN', () => {
    expect(checkOutput('gemm', 'tfjs', [1, 2], [1, 2])).toBe(0);
    expect(() => checkOutput('gemm', 'tfjs', [1, 2.1], [1, 2])).toThrow(WrongOutputError);
    expect(() => checkOutput('gemm', 'tfjs', [1, Number.NaN], [1, 2])).toThrow(/tfjs/);
  });

  it('turns images between the layouts', () => {
    const image = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect([...toChannelsFirst(image, 2)]).toEqual([1, 3, 5, 2, 4, 6]);
    expect([...toChannelsLast(toChannelsFirst(image, 2), 2)]).toEqual([...image]);
  });
});

describe('tables', () => {
  it('aligns columns and marks missing cells', () => {
    const table = renderTable(
      [{ title: 'name' }, { title: 'ms', align: 'right' }],
      [
        ['gemm', '12.3'],
        ['conv', undefined],
      ],
    );
    expect(table).toBe('name    ms\n----  ----\ngemm  12.3\nconv     -');
  });

  it('writes three significant digits', () => {
    expect([0, 0.01234, 4.567, 78.94, 1234.5, Number.NaN].map(formatNumber)).toEqual([
      '0',
      '0.0123',
      '4.57',
      '78.9',
      '1235',
      '-',
    ]);
  });
});

describe('arguments', () => {
  it('reads options', () => {
    const args = parseArguments(['--quick', '--model', 'deaot-t', '--json', 'out.json', '--size', '161x193']);
    expect(args).toMatchObject({
      quick: true,
      models: ['deaot-t'],
      json: 'out.json',
      size: { height: 161, width: 193 },
    });
  });

  it.each([
    [['--fast'], /--fast/],
    [['--model', 'sam'], /There is no model "sam"/],
    [['--rounds', 'many'], /--rounds takes a number/],
    [['--size', '480'], /HEIGHTxWIDTH/],
    [['gemm'], /gemm/],
    [['--json'], /json/],
  ])('refuses %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(UsageError);
    expect(() => parseArguments(args)).toThrow(message);
  });
});
