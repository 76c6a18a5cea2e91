#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { quietNativeStderr } from './quiet-native-stderr.mjs';

// A worker's children share its standard error, whatever they have to say.
if (process.argv[2] !== 'worker') quietNativeStderr();

try {
  process.cwd();
} catch {
  console.error('samtrack: the folder that this shell is in is gone; go to another one (cd)');
  process.exit(1);
}
const cli = new URL('../dist/cli.node.js', import.meta.url);
if (!existsSync(cli)) {
  console.error('samtrack is not built yet. In a checkout run `npm run setup` once, then try again.');
  process.exit(1);
}
const load = () =>
  import(cli.href).catch((error) => {
    if (!/EMFILE|ENFILE|too many open files/i.test(`${error.code} ${error.message}`)) throw error;
    console.error(
      'samtrack: too many files are open at once: this shell allows too few (see ulimit -n; 256 are enough)',
    );
    process.exit(1);
  });
const { main } = await load();
const status = await main(process.argv.slice(2));
// Dawn's worker threads would keep the process alive.
process.stdout.write('', () => process.exit(status));
