import { gzipSync } from 'node:zlib';
import type { Project } from './project.js';

/** What a page uses of a package, and what it costs the page in bytes: all chunks together, beside tfjs and ONNX Runtime. */
export interface Size {
  readonly from: string;
  /** Separated by commas. */
  readonly names: string;
  /** Most bytes after gzip. */
  readonly limit: number;
  readonly minified: number;
  readonly gzip: number;
}

/** Bundles some exports for browsers, with esbuild. */
export async function measureSize(
  { folder }: Project,
  { from, names }: Size,
): Promise<Pick<Size, 'minified' | 'gzip'>> {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    stdin: { contents: `export { ${names} } from '${from}';`, resolveDir: folder },
    outdir: folder,
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    target: 'es2022',
    external: ['@tensorflow/*', 'onnxruntime-web'],
    write: false,
    logLevel: 'error',
  });
  const sum = (size: (bytes: Uint8Array) => number) =>
    outputFiles.reduce((total, { contents }) => total + size(contents), 0);
  return { minified: sum(({ length }) => length), gzip: sum((bytes) => gzipSync(bytes, { level: 9 }).length) };
}
