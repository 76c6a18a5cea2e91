import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { describe, expect, it } from 'vitest';
import { PACKAGES } from '../src/packed.js';

describe.each(PACKAGES)('$manifest.name', ({ manifest, source, tarball, folder }) => {
  const files = readdirSync(folder, { recursive: true }).map(String);

  it('has what publint looks for', async () => {
    const { messages } = await publint({ pkgDir: folder, pack: false, strict: true });
    expect(messages).toEqual([]);
  });

  it('has types that agree with its modules', async () => {
    const attw = fileURLToPath(new URL('../node_modules/@arethetypeswrong/cli/dist/index.js', import.meta.url));
    const args = [attw, tarball, '--profile', 'esm-only', '--no-emoji', '--no-color'];
    // It ends with a status where there is a problem.
    await expect(promisify(execFile)(process.execPath, args)).resolves.toMatchObject({ stderr: '' });
  });

  it('holds no tests, sources or fields that only the repository needs, and its licence', () => {
    const allowed = /^(bin|dist|embedded|deploy|catalog\.json|package\.json|LICENSE|NOTICE|[A-Z0-9-]+\.md)$/;
    expect(readdirSync(folder).filter((file) => !allowed.test(file))).toEqual([]);
    expect(files.filter((file) => /\.test\.|tsbuildinfo/.test(file))).toEqual([]);
    for (const file of ['LICENSE', 'NOTICE', 'README.md']) expect(existsSync(join(folder, file))).toBe(true);
    const published = [
      'name',
      'version',
      'description',
      'keywords',
      'license',
      'repository',
      'homepage',
      'bugs',
      'type',
    ];
    const used = ['sideEffects', 'engines', 'bin', 'exports', 'imports', 'files', 'publishConfig'];
    const known = [...published, ...used, 'dependencies', 'peerDependencies', 'optionalDependencies'];
    expect(Object.keys(manifest).filter((field) => !known.includes(field))).toEqual([]);
    for (const field of published) expect(manifest).toHaveProperty(field);
    expect(JSON.stringify(manifest)).not.toMatch(/samtrack-source|workspace:|catalog:/);
  });

  it('maps its bundles back to sources that the maps hold', () => {
    const maps = files.filter((file) => file.endsWith('.js.map'));
    expect(maps.length).toBeGreaterThan(1);
    for (const file of maps) {
      const { sources, sourcesContent } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
      expect(sourcesContent).toHaveLength(sources.length);
    }
  });

  it('links only to documents that it holds, or that the repository has', () => {
    for (const document of files.filter((file) => file.endsWith('.md'))) {
      const text = readFileSync(join(folder, document), 'utf8');
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const at = join(document, '..', target!);
        const inside = !at.startsWith('..');
        expect(existsSync(join(inside ? folder : source, at)), `${document}: ${target}`).toBe(true);
      }
    }
  });
});
