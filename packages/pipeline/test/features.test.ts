import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);
const table = readFileSync(new URL('FEATURES.md', root), 'utf8');
const rows = table.split('\n').filter((line) => /^\| (\d+ )?/.test(line) && !/^\| (-|#|feature|SAM-Track)/.test(line));

test('every feature of SAM-Track has a row', () => {
  const numbers = rows.map((row) => Number(/^\| (\d+) /.exec(row)?.[1])).filter((number) => number > 0);
  expect(numbers).toEqual(Array.from({ length: 59 }, (_, i) => i + 1));
});

test('every test that a row names is there', () => {
  const named = rows.flatMap((row) => {
    const cell = row.split('|').at(-2)!;
    let file = '';
    return [...cell.matchAll(/`([^`]+\.(?:test\.ts|md))`|"([^"]+)"/g)].flatMap(([, path, title]) => {
      if (path) file = path;
      return title ? [{ file, title }] : [];
    });
  });
  expect(named.length).toBeGreaterThan(60);
  for (const { file, title } of named) {
    const path = new URL(`packages/${file}`, root);
    expect(existsSync(path), file).toBe(true);
    expect(readFileSync(path, 'utf8').includes(title), `${file}: ${title}`).toBe(true);
  }
});
