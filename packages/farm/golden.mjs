// Puts the golden that workers check their GPU with beside the bundles.
import { cpSync, mkdirSync } from 'node:fs';

mkdirSync('dist/golden', { recursive: true });
for (const name of ['deaot-t.manifest.json', 'deaot-t.taps.safetensors']) {
  cpSync(`../models/test/fixtures/deaot/${name}`, `dist/golden/${name}`);
}
