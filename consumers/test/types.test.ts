import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { consumer, PACKAGES, THOROUGH } from '../src/packed.js';

const strict = { target: 'ES2022', lib: ['ES2023', 'DOM', 'ESNext.Disposable'], strict: true, noEmit: true };
const bundler = { ...strict, module: 'esnext', moduleResolution: 'bundler', types: ['node'] };
/** As `npm create vite` writes it for `vanilla-ts`. */
const viteTemplate = {
  target: 'ES2023',
  lib: ['ES2023', 'DOM', 'DOM.Iterable'],
  types: ['vite/client'],
  module: 'ESNext',
  moduleResolution: 'bundler',
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  moduleDetection: 'force',
  noEmit: true,
  strict: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  erasableSyntaxOnly: true,
  noFallthroughCasesInSwitch: true,
  noUncheckedSideEffectImports: true,
};
interface Configuration {
  types: readonly string[];
  skipLibCheck?: boolean;
  [option: string]: unknown;
}
const CONFIGURATIONS: Readonly<Record<string, Configuration>> = {
  nodenext: { ...strict, module: 'nodenext', types: ['node'] },
  bundler,
  strictest: {
    ...strict,
    module: 'nodenext',
    types: ['node'],
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    isolatedModules: true,
  },
  'vite template': { ...viteTemplate, skipLibCheck: true },
  'vite template, declarations checked': { ...viteTemplate, skipLibCheck: false },
};
const FARM = new URL('../projects/node/farm.ts', import.meta.url);

const COMPILERS = THOROUGH ? ['typescript', 'typescript-7'] : ['typescript-7'];

describe.each(COMPILERS)('%s compiles a program that uses all packages', (compiler) => {
  it.each(Object.entries(CONFIGURATIONS))('%s', async (name, compilerOptions) => {
    const { folder, run, write } = consumer(`${compiler} ${name}`, 'typescript', ['@types/node', 'vite']);
    write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    // Farms are of Node.
    if (compilerOptions.types.includes('node')) write('farm.ts', readFileSync(FARM, 'utf8'));
    const tsc = fileURLToPath(new URL(`../node_modules/${compiler}/bin/tsc`, import.meta.url));
    const { status, output } = await run([tsc, '--pretty', 'false']);
    // Declarations of other packages may be at odds with each other where they are checked; ours are not.
    const errors = output.split('\n').filter((line) => /^\S.*error TS/.test(line));
    const ours = [realpathSync(folder), ...PACKAGES.map((each) => realpathSync(each.folder))];
    const absolute = (line: string) => join(realpathSync(folder), line.replace(/\(.*/, ''));
    expect(errors.filter((line) => ours.some((path) => absolute(line).startsWith(path)))).toEqual([]);
    if (compilerOptions.skipLibCheck) expect({ status, output }).toEqual({ status: 0, output: '' });
  });
});

it('an error of the program is one', async () => {
  const { run, write } = consumer('wrong', 'typescript', ['@types/node']);
  write(
    'wrong.ts',
    "import { VideoTracker } from 'samtrack';\nawait VideoTracker.load({ model: 'deaot-x', weights: 5 });\n",
  );
  write('tsconfig.json', JSON.stringify({ compilerOptions: { ...bundler, skipLibCheck: true }, include: ['*.ts'] }));
  const { output } = await run([fileURLToPath(new URL('../node_modules/typescript-7/bin/tsc', import.meta.url))]);
  expect(output).toContain('wrong.ts');
  expect(output).toContain('deaot-x');
});
