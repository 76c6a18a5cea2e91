import { cpSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from './project.js';

/** Builds a project of the template `browser` for the web. @returns the folder to serve */
export type Bundler = (project: Project) => Promise<string>;

const useMain = ({ folder }: Project, name: string) =>
  renameSync(join(folder, `${name}.main.js`), join(folder, 'main.js'));

/** With Vite, as `vite build` does. */
export const vite: Bundler = async (project) => {
  const { build } = await import('vite');
  useMain(project, 'vite');
  await build({ root: project.folder, configFile: false, logLevel: 'warn', worker: { format: 'es' } });
  return join(project.folder, 'dist');
};

/** With webpack, without a configuration of rules. */
export const webpack: Bundler = async (project) => {
  const { default: webpackCompiler } = await import('webpack');
  useMain(project, 'webpack');
  const dist = join(project.folder, 'dist');
  const compiler = webpackCompiler({
    mode: 'production',
    context: project.folder,
    entry: './main.js',
    output: { path: dist, filename: 'main.js', publicPath: '/' },
    performance: false,
  });
  await new Promise<void>((resolve, reject) => {
    compiler.run((error, stats) => {
      if (error || !stats || stats.hasErrors() || stats.hasWarnings())
        reject(error ?? new Error(stats?.toString('errors-warnings')));
      else compiler.close(() => resolve());
    });
  });
  cpSync(join(project.folder, 'index.html'), join(dist, 'index.html'));
  return dist;
};

/** With esbuild, which takes the weights for a file and the worker for an entry point. */
export const esbuild: Bundler = async (project) => {
  const { build } = await import('esbuild');
  useMain(project, 'esbuild');
  const dist = join(project.folder, 'dist');
  await build({
    absWorkingDir: project.folder,
    entryPoints: ['main.js', 'worker.js'],
    outdir: dist,
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    loader: { '.safetensors': 'file' },
    logLevel: 'silent',
  });
  cpSync(join(project.folder, 'index.html'), join(dist, 'index.html'));
  return dist;
};

/** None: an import map leads to the modules that `samtrack` brings along. A worker has no import map, so it is given one URL. */
export const importMap: Bundler = async (project) => {
  const { folder } = project;
  for (const name of ['samtrack', '@samtrack/weights']) {
    cpSync(join(folder, 'node_modules', name), join(folder, 'dist', 'modules', name), {
      recursive: true,
      dereference: true,
    });
  }
  const dist = join(folder, 'dist');
  for (const name of ['page.js', 'track.js', 'answer.js']) cpSync(join(folder, name), join(dist, name));
  for (const name of ['main.js', 'worker.js']) cpSync(join(folder, `import-map.${name}`), join(dist, name));
  cpSync(join(folder, 'import-map.html'), join(dist, 'index.html'));
  return dist;
};
