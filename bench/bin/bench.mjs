#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.node.js', import.meta.url);
if (!existsSync(main)) {
  console.error('The benchmarks are not built yet. Run `npm run setup` once, then try again.');
  process.exit(1);
}
await import(main.href);
