/** What the training's evaluation takes for granted is what the product does. */
import { readFileSync } from 'node:fs';
import { openCheckpoint } from '@samtrack/models/checkpoint';
import { expect, it } from 'vitest';
import { TRACKERS } from '../../src/tracking/tracker-kinds.js';

const repository = new URL('../../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, repository), 'utf8');
const evaluate = read('weights/train/evaluate.py');

it("evaluate.py has the product's sizes", () => {
  const [, table = ''] = /^LONG_EDGE = \{(.*)\}$/m.exec(evaluate)!;
  const sizes = Object.fromEntries(
    [...table.matchAll(/"([a-z-]+)": (\d+)/g)].map(([, name, size]) => [name, Number(size)]),
  );
  expect(sizes).toMatchObject({ deaot: TRACKERS.deaot.longEdge, propagation: TRACKERS.propagation.longEdge });
});

it('evaluate.py drops strays and opens windows where the product does: with weights that state their size', async () => {
  expect(evaluate).toContain('strays = args.strays or ("drop" if trained else "keep")');
  expect(evaluate).toContain('zoom = args.zoom or ("auto" if trained else "off")');
  const path = new URL('weights/embedded/deaot-t.safetensors', repository);
  const { metadata } = await openCheckpoint(readFileSync(path));
  expect(metadata).toMatchObject({ long_edge: '641' });
});

it("zoom.py has the product's windows", () => {
  const product = read('packages/pipeline/src/tracking/zoom.ts');
  const number = (text: string) =>
    text
      .split('/')
      .map(Number)
      .reduce((a, b) => a / b);
  const ours = (name: string) => number(new RegExp(`^const ${name} = ([\\d. /]+);`, 'm').exec(product)![1]!);
  const twin = read('weights/train/zoom.py');
  const theirs = new Map<string, number>();
  for (const [, names, values] of twin.matchAll(/^([A-Z_, ]+) = ([\d., ]+)$/gm)) {
    for (const [i, name] of names!.split(', ').entries()) theirs.set(name, Number(values!.split(', ')[i]));
  }
  const names = ['MARGIN', 'LEAST', 'LEAST_FACTOR', 'ROOM', 'RIM', 'OUTERMOST'];
  expect(Object.fromEntries(names.map((name) => [name, theirs.get(name)]))).toEqual(
    Object.fromEntries(names.map((name) => [name, ours(name)])),
  );
});
