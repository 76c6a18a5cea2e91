import { expect, it } from 'vitest';
import { WordMap } from './word-map.js';

/** A map of texts, which counts what it makes. */
function counting(capacity: number) {
  const map = new WordMap<string>(capacity);
  const made: string[] = [];
  const get = (...words: number[]) =>
    map.get(Uint32Array.from([...words, 99]), words.length, () => {
      made.push(words.join());
      return words.join();
    });
  return { map, made, get };
}

it('finds what it was told, by the words and their number', () => {
  const { map, made, get } = counting(8);
  for (const words of [[1, 2], [1, 2, 0], [2, 1], [], [1, 2]]) expect(get(...words)).toBe(words.join());
  expect(made).toEqual(['1,2', '1,2,0', '2,1', '']);
  map.clear();
  get(1, 2);
  expect(made.at(-1)).toBe('1,2');
});

it('tells floats apart that differ in their highest bits', () => {
  const { made, get } = counting(4096);
  const bits = (value: number) => new Uint32Array(Float32Array.of(value).buffer)[0]!;
  for (let turn = 0; turn < 2; turn++) for (let i = 0; i < 1024; i++) get(bits(2 ** ((i % 32) - 16)), bits(i), 4);
  expect(made).toHaveLength(1024);
});

it('lets the oldest go', () => {
  const { made, get } = counting(100);
  for (let i = 0; i <= 100; i++) get(i);
  get(100);
  get(0);
  expect(made).toHaveLength(102);
});

it('is right where two have the same hash, which takes many', () => {
  const count = 2 ** 17;
  const { made, get } = counting(count);
  let wrong = 0;
  for (let turn = 0; turn < 2; turn++) for (let i = 0; i < count; i++) if (get(i, 7) !== `${i},7`) wrong++;
  expect(wrong).toBe(0);
  expect(made.length - count, 'lists that had to be made again').toBeGreaterThan(0);
  expect(made.length - count).toBeLessThan(100);
});
