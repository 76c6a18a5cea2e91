import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect } from 'vitest';
import { type JobSpec, type Json, keyOf } from '../src/job/spec.js';
import { Ledger } from '../src/ledger/ledger.js';
import { fetchResults } from '../src/results/fetch.js';
import type { Programs } from '../src/run/context.js';
import type { Storage } from '../src/storage/storage.js';
// @ts-expect-error plain JavaScript, since children load it
import * as toyModule from './toy.mjs';

export const TOY_MODULE = new URL('toy.mjs', import.meta.url).href;
export const toyPrograms = (): Programs => toyModule.default();

export const toySpec = (name: string, frames: number, more: { [key: string]: Json } = {}): JobSpec => ({
  kind: 'toy',
  name,
  identity: { name, frames },
  parameters: { frames, ...more },
  inputs: [],
});

/** Makes faults happen, so many times. */
export function makeFaults(folder: string, faults: Record<string, number>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, times] of Object.entries(faults)) {
    for (let i = 0; i < times; i++) writeFileSync(join(folder, `${name}.${i}`), '');
  }
  return folder;
}

/** All files below a folder, with what is in them. */
export function contents(folder: string): Map<string, string> {
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).sort();
  return new Map(paths.map((path) => [path, readFileSync(join(folder, path)).toString('base64')]));
}

/** The results of a toy job are stored, whole, and as they must be. */
export async function expectToy(storage: Storage, spec: JobSpec, folder: string): Promise<void> {
  const { state } = await Ledger.open(storage, keyOf(spec));
  expect({ status: state.status, reason: state.reason }).toEqual({ status: 'done', reason: undefined });
  const target = join(folder, keyOf(spec));
  await fetchResults(storage, state, target);
  const { frames } = spec.identity as { frames: number };
  const wanted = new Map([['run.json', Buffer.from(JSON.stringify(spec.identity)).toString('base64')]]);
  for (let frame = 0; frame < frames; frame++) {
    wanted.set(toyModule.nameOf(frame), toyModule.bytesOf(spec.identity, frame).toString('base64'));
  }
  expect(contents(target)).toEqual(new Map([...wanted].sort()));
}
