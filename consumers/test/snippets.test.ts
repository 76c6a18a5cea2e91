import { copyFileSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { consumer, THOROUGH } from '../src/packed.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GUIDE = join('docs', 'guide');
const DOCUMENTS = [
  'README.md',
  'packages/kernels/README.md',
  'packages/models/README.md',
  'packages/onnx/README.md',
  'packages/pipeline/README.md',
  'weights/README.md',
  ...readdirSync(join(ROOT, GUIDE)).map((name) => join(GUIDE, name)),
];

/** The TypeScript of a document, as it stands. `run` after the language says that it runs with the files of the demo. */
const SNIPPETS = DOCUMENTS.flatMap((document) =>
  [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```ts( run)?\n([\s\S]*?)^```/gm)].map(
    ([, run, code], i) => ({
      name: `${document} ${i + 1}`,
      code: code!,
      runs: run !== undefined,
    }),
  ),
);

const TYPES = {
  target: 'ES2022',
  lib: ['ES2023', 'DOM', 'DOM.Iterable', 'ESNext.Disposable'],
  module: 'esnext',
  moduleResolution: 'bundler',
  strict: true,
  skipLibCheck: true,
  types: ['node', 'vite/client'],
};

describe('the snippets of the documents', () => {
  it('compile as they stand', async () => {
    expect(SNIPPETS.length).toBeGreaterThan(8);
    const more = ['@types/node', 'vite', '@tensorflow/tfjs-backend-webgpu'];
    const { folder, run, write } = consumer('snippets', undefined, more);
    for (const [i, { code }] of SNIPPETS.entries()) write(`snippet-${i}.ts`, `${code}\nexport {};\n`);
    write('tsconfig.json', JSON.stringify({ compilerOptions: { ...TYPES, noEmit: true }, include: ['*.ts'] }));
    const tsc = fileURLToPath(new URL('../node_modules/typescript-7/bin/tsc', import.meta.url));
    const { output } = await run([tsc, '--pretty', 'false']);
    const named = output.replace(/snippet-(\d+)\.ts/g, (_, i) => SNIPPETS[Number(i)]!.name);
    expect(named.replaceAll(realpathSync(folder), '')).toBe('');
  });

  it.skipIf(!THOROUGH).each(SNIPPETS.filter(({ runs }) => runs))('$name runs', async ({ name, code }) => {
    const { folder, run, write } = consumer(`run ${name.replaceAll('/', '-')}`);
    copyFileSync(join(ROOT, 'demo', 'clip.mp4'), join(folder, 'video.mp4'));
    copyFileSync(join(ROOT, 'demo', 'masks', '00000.png'), join(folder, 'first.png'));
    copyFileSync(join(ROOT, 'weights', 'embedded', 'deaot-t.safetensors'), join(folder, 'weights.safetensors'));
    for (const of of ['DAVIS/Annotations/480p', 'results']) {
      mkdirSync(join(folder, of, 'clip'), { recursive: true });
      for (const frame of ['00000', '00001', '00002', '00003']) {
        copyFileSync(join(ROOT, 'demo', 'masks', `${frame}.png`), join(folder, of, 'clip', `${frame}.png`));
      }
    }
    const { transform } = await import('esbuild');
    write('main.mjs', (await transform(code, { loader: 'ts', target: 'es2022', format: 'esm' })).code);
    // What it keeps goes nowhere else.
    const { status, output } = await run(['main.mjs'], { ...process.env, XDG_CACHE_HOME: folder });
    expect(status, output).toBe(0);
  });
});
