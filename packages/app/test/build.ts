import { buildApp } from '../build.mjs';
import { APP_FOLDER } from './folder.js';

/** Builds the page once, before all tests. */
export default async function setup(): Promise<void> {
  await buildApp(APP_FOLDER);
}
