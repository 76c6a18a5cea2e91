/** Runs the golden that comes with the package on this machine's GPU, as `samtrack verify` does; the exit status says how it went. */
import { fileURLToPath } from 'node:url';
import { main } from 'samtrack/cli';
import { goldenFolder } from './files.js';

const file = (name: string) => fileURLToPath(new URL(name, goldenFolder()));
process.exit(
  await main([
    'verify',
    '--manifest',
    file('deaot-t.manifest.json'),
    '--taps',
    file('deaot-t.taps.safetensors'),
    ...process.argv.slice(2),
  ]),
);
