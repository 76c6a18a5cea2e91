#!/usr/bin/env node
import { existsSync } from 'node:fs';

const cli = new URL('../dist/cli.node.js', import.meta.url);
if (!existsSync(cli)) {
  console.error('samtrack is not built yet. In a checkout run `npm run setup` once, then try again.');
  process.exit(1);
}
await import(cli.href);
