import { buildApp } from '../build.mjs';
import { APP_FOLDER } from './folder.js';

const BUILT = Symbol.for('samtrack app built for its tests');
const shared = globalThis as { [BUILT]?: Promise<unknown> };

/** Builds the page once, before all tests of all projects that have it. */
export default async function setup(): Promise<void> {
  await (shared[BUILT] ??= buildApp(APP_FOLDER));
}
