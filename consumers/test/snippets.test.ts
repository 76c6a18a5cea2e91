import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hasChromium, openPage } from '@samtrack/chromium';
import { describe, expect, it } from 'vitest';
import { vite } from '../src/bundlers.js';
import { consumer, THOROUGH } from '../src/packed.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GUIDE = join('docs', 'guide');
const MODELS = join('packages', 'models');
const DOCUMENTS = [
  'README.md',
  'packages/kernels/README.md',
  ...readdirSync(join(ROOT, MODELS)).flatMap((name) => (/^[A-Z].*\.md$/.test(name) ? [join(MODELS, name)] : [])),
  'packages/onnx/README.md',
  'packages/pipeline/README.md',
  'weights/README.md',
  ...readdirSync(join(ROOT, GUIDE)).map((name) => join(GUIDE, name)),
];

/**
 * The TypeScript of a document, as it stands. Behind the language stands where it runs: `run` in Node, with a short video, its first mask,
 * weights and a folder of DAVIS beside it, `browser` in a page that Vite has built; and `slow` where that takes longer than a few
 * seconds. What has none of these needs checkpoints that are not here.
 */
const SNIPPETS = DOCUMENTS.flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```ts(?: (run|browser))?( slow)?\n([\s\S]*?)^```/gm)].map(
    ([, where, slow, code], i) => ({
      document,
      name: `${document} ${i + 1}`,
      where,
      slow: slow !== undefined,
      code: code!,
    }),
  ),
);
const inNode = SNIPPETS.filter(({ where, slow }) => where === 'run' && (THOROUGH || !slow));
const inPages = SNIPPETS.filter(({ where }) => where === 'browser');

const TYPES = {
  target: 'ES2022',
  lib: ['ES2023', 'DOM', 'DOM.Iterable', 'ESNext.Disposable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  strict: true,
  skipLibCheck: true,
  types: ['node', 'vite/client'],
};

/** A video of four frames of the demo's, so that no snippet takes long. */
const SHORT_VIDEO = `
import { openOutputFolder, openSource, VideoWriter } from 'samtrack/io';
const source = await openSource('demo.mp4');
const { width, height } = source;
const writer = await VideoWriter.open(await openOutputFolder('.').createFile('video.mp4'), { label: 'video.mp4', width, height });
for await (const { rgba, time } of source.frames({ to: 4 })) await writer.add({ time, duration: 1 / 24 }, rgba);
await writer.finish();
await source.close();
`;

/** A folder with what snippets read. */
async function prepared(name: string) {
  const project = consumer(name);
  const { folder, run, write } = project;
  copyFileSync(join(ROOT, 'demo', 'clip.mp4'), join(folder, 'demo.mp4'));
  copyFileSync(join(ROOT, 'demo', 'masks', '00000.png'), join(folder, 'first.png'));
  copyFileSync(join(ROOT, 'weights', 'embedded', 'deaot-t.safetensors'), join(folder, 'weights.safetensors'));
  for (const of of ['DAVIS/Annotations/480p', 'results']) {
    mkdirSync(join(folder, of, 'clip'), { recursive: true });
    for (const frame of ['00000', '00001', '00002', '00003']) {
      copyFileSync(join(ROOT, 'demo', 'masks', `${frame}.png`), join(folder, of, 'clip', `${frame}.png`));
    }
  }
  write('video.mjs', SHORT_VIDEO);
  const { status, output } = await run(['video.mjs']);
  expect(status, output).toBe(0);
  return project;
}

describe('the snippets of the documents', () => {
  it('compile as they stand', async () => {
    expect(SNIPPETS.length).toBeGreaterThan(18);
    // Every README's runs, whole.
    expect(SNIPPETS.filter(({ document, where }) => /README|guide/.test(document) && !where)).toEqual([]);
    const more = ['@types/node', 'vite', '@tensorflow/tfjs-backend-webgpu'];
    const { folder, run, write } = consumer('snippets', undefined, more);
    for (const [i, { code }] of SNIPPETS.entries()) write(`snippet-${i}.ts`, `${code}\nexport {};\n`);
    write('tsconfig.json', JSON.stringify({ compilerOptions: { ...TYPES, noEmit: true }, include: ['*.ts'] }));
    const tsc = fileURLToPath(new URL('../node_modules/typescript-7/bin/tsc', import.meta.url));
    const { output } = await run([tsc, '--pretty', 'false']);
    const named = output.replace(/snippet-(\d+)\.ts/g, (_, i) => SNIPPETS[Number(i)]!.name);
    expect(named.replaceAll(realpathSync(folder), '')).toBe('');
  });

  it('run in Node', { timeout: 90_000 * inNode.length }, async () => {
    const { transform } = await import('esbuild');
    const { folder, run, write } = await prepared('snippets in Node');
    expect(inNode.length).toBeGreaterThan(5);
    for (const [i, { name, code }] of inNode.entries()) {
      write(`main-${i}.mjs`, (await transform(code, { loader: 'ts', target: 'es2022', format: 'esm' })).code);
      // What it keeps goes nowhere else.
      const { status, output } = await run([`main-${i}.mjs`], { ...process.env, XDG_CACHE_HOME: folder });
      expect(status, `${name}: ${output}`).toBe(0);
    }
  });

  it.skipIf(!THOROUGH || !hasChromium())('run in a page', async () => {
    const project = consumer('snippets in pages', 'browser', ['@tensorflow/tfjs-backend-webgpu']);
    for (const [i, { code }] of inPages.entries()) project.write(`snippet-${i}.ts`, `${code}\nexport {};\n`);
    const runs = inPages.map((_, i) => `globalThis.run${i} = () => import('./snippet-${i}.ts').then(() => true);`);
    project.write('vite.main.js', runs.join('\n'));
    const dist = await vite(project);
    expect(inPages.length).toBeGreaterThan(2);
    for (const [i, { name }] of inPages.entries()) {
      const page = await openPage({ files: { '/': dist } });
      try {
        expect(await page.call(`run${i}`), name).toBe(true);
        expect(page.problems, name).toEqual([]);
      } finally {
        await page.close();
      }
    }
  });
});
