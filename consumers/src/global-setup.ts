import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { type PackedPackage, packAll } from './pack.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The packages, packed once for all tests of a run, and a folder for their projects. */
    packed: { folder: string; packages: readonly PackedPackage[] };
  }
}

export default function setup({ provide }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'samtrack-consumers-'));
  provide('packed', { folder, packages: packAll(join(folder, 'packed'), process.env['SAMTRACK_RELEASE']) });
  return () => rmSync(folder, { recursive: true, force: true });
}
