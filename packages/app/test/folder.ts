import { fileURLToPath } from 'node:url';

/** Where the tests' build of the page is; another place by `SAMTRACK_APP_BUILD`, for two runs at the same time. */
export const APP_FOLDER =
  process.env['SAMTRACK_APP_BUILD'] ?? fileURLToPath(new URL('../node_modules/.cache/app', import.meta.url));
