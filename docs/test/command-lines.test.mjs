import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { commandPages } from '../src/commands.mjs';
import { ROOT } from '../src/repository.mjs';

const DOCUMENTS = [
  'README.md',
  'packages/pipeline/README.md',
  'packages/farm/README.md',
  'packages/models/README.md',
  'weights/README.md',
  'examples/README.md',
  ...readdirSync(join(ROOT, 'docs', 'guide')).map((name) => `docs/guide/${name}`),
];

/** Command lines that are shown: the document, and the words behind `samtrack`. */
const SHOWN = DOCUMENTS.flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^ {4}(?:npx )?samtrack (\w.*)$/gm)].map(([, words]) => [
    document,
    words.replace(/ #.*$/, ''),
  ]),
);

let helps;
beforeAll(async () => {
  const { children } = await commandPages();
  helps = new Map(children.map(({ title, text }) => [title.replace('samtrack ', ''), text]));
});

it('documents show command lines', () => expect(SHOWN.length).toBeGreaterThan(5));

it.each(SHOWN)('%s: samtrack %s', (_, words) => {
  const own = helps.get(words.split(' ')[0]);
  expect(own).toBeDefined();
  // Jobs are given the options of what they do.
  const help = own + (own.includes('Options of samtrack track') ? helps.get('track') : '');
  for (const [option] of words.matchAll(/(?<= )--[a-z-]+/g)) expect(help).toMatch(new RegExp(`${option}\\b`));
});
