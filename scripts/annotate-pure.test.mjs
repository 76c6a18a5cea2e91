import { transform } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { annotatePure } from './annotate-pure.mjs';

const shaken = async (source) => {
  const { code } = await transform(annotatePure(source, 'x.ts'), { loader: 'ts', format: 'esm', treeShaking: true });
  return code.trim();
};

describe('constants of a module', () => {
  it('are dropped where nobody uses them, whatever they are made by', async () => {
    const source = `
      const table: Record<string, number> = Object.fromEntries([['a', 1]]);
      const op = define({ name: 'op', ...table, keys: Object.keys(table), size: table['a']! }) as Op;
      const text = \`\${op.name} of many\`;
      const made = new Thing<string>(text) satisfies object;
    `;
    expect(await shaken(source)).toBe('');
    const { code } = await transform(source, { loader: 'ts', format: 'esm', treeShaking: true });
    expect(code).toContain('define(');
  });

  it('keep their values and lines', async () => {
    const source =
      "export const a = [1, 2].map((x) => x * 2);\nexport const b = { ...{ c: a[1] } }, d = 'x' + a.length;\n";
    const annotated = annotatePure(source, 'x.ts');
    expect(annotated.split('\n')).toHaveLength(source.split('\n').length);
    const module = await import(`data:text/javascript,${encodeURIComponent(annotated)}`);
    expect({ ...module }).toEqual({ a: [2, 4], b: { c: 4 }, d: 'x2' });
  });

  it('stay as they are where a bundler sees for itself, and so do effects', () => {
    const source =
      "const limit = 3;\nconst f = (x) => g(x);\nlet state = start();\nlog('loaded');\nconst { a } = split();\n";
    expect(annotatePure(source, 'x.ts')).toBe(source);
  });
});
