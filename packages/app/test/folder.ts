import { fileURLToPath } from 'node:url';

/** Where the tests' build of the page is. */
export const APP_FOLDER = fileURLToPath(new URL('../node_modules/.cache/app', import.meta.url));
