import type { Metafile } from 'esbuild';

/** Builds the page into a folder, which is emptied first. @returns what esbuild says of each of its scripts */
export function buildApp(outdir: string): Promise<Metafile[]>;
