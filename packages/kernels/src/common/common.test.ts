import { describe, expect, it } from 'vitest';
import { fnv1a, fnv1aText, normalisedError, SerialQueue, xorshift32 } from './index.js';

describe('FNV-1a', () => {
  it('gives the published values', () => {
    // Of the list that came with the algorithm (isthe.com, test_fnv.c).
    expect(fnv1aText('')).toBe(0x811c9dc5);
    expect(fnv1aText('a')).toBe(0xe40c292c);
    expect(fnv1aText('foobar')).toBe(0xbf9cf968);
    expect(fnv1a(new TextEncoder().encode('foobar'))).toBe(0xbf9cf968);
    expect(fnv1aText('bar', fnv1aText('foo'))).toBe(0xbf9cf968);
  });
});

describe('xorshift32', () => {
  it('gives the published sequence', () => {
    // The first number that follows 1 is 270369, and the next 67634689.
    const next = xorshift32(1);
    expect([next(), next()]).toEqual([270369, 67634689]);
  });
});

describe('the normalised error', () => {
  it('is relative to the reference, and infinite for what cannot be compared', () => {
    expect(normalisedError([1, 2], [1, 2])).toBe(0);
    expect(normalisedError([1, 3], [1, 2])).toBeCloseTo(1 / 5);
    expect(normalisedError([3], [0])).toBe(9);
    expect(normalisedError([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
    expect(normalisedError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a serial queue', () => {
  it('does one thing after the other, and goes on after a failure', async () => {
    const queue = new SerialQueue();
    const seen: string[] = [];
    const work = (name: string, ticks: number) => async () => {
      seen.push(`${name} begins`);
      for (let i = 0; i < ticks; i++) await Promise.resolve();
      seen.push(`${name} ends`);
      return name;
    };
    const slow = queue.run(work('slow', 5));
    const failing = queue.run(() => {
      throw new Error('broken');
    });
    const fast = queue.run(work('fast', 0));
    const idle = queue.idle().then(() => seen.push('idle'));
    await expect(failing).rejects.toThrow('broken');
    expect(await Promise.all([slow, fast])).toEqual(['slow', 'fast']);
    await idle;
    expect(seen).toEqual(['slow begins', 'slow ends', 'fast begins', 'fast ends', 'idle']);
  });
});
