/** A finding of the lint: which line, and what is wrong with it. */
export interface WgslFinding {
  line: number;
  message: string;
}

/**
 * Checks expanded WGSL for mistakes that compile and then compute wrong results:
 * - a function-scope `var` without an initialiser keeps its old value in the next loop iteration under Dawn's SPIR-V
 *   backend (the language says it is zeroed), so every one must be initialised;
 * - a binding that the code never mentions shifts an automatic layout;
 * - `enable` directives after the first declaration are ignored by some compilers and refused by others.
 */
export function lintWgsl(source: string): WgslFinding[] {
  const findings: WgslFinding[] = [];
  const lines = source.split('\n').map((text) => text.replace(/\/\/.*$/, ''));
  let depth = 0;
  let declared = false;
  lines.forEach((text, index) => {
    const line = index + 1;
    if (depth > 0 && /^\s*var\s+\w+\s*:[^=;]*;/.test(text))
      findings.push({ line, message: 'var without an initialiser' });
    if (/^\s*enable\s/.test(text) && declared) findings.push({ line, message: 'enable after a declaration' });
    if (/^\s*(fn|struct|var|const|@group|@compute|alias|override)\b/.test(text)) declared = true;
    for (const [brace] of text.matchAll(/[{}]/g)) depth += brace === '{' ? 1 : -1;
  });
  const body = lines.join('\n');
  for (const [, name] of body.matchAll(/@binding\(\d+\)\s*var<[^>]*>\s*(\w+)/g)) {
    if ([...body.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length < 2) {
      findings.push({
        line: lines.findIndex((t) => new RegExp(`\\b${name}\\b`).test(t)) + 1,
        message: `binding "${name}" is never used`,
      });
    }
  }
  return findings;
}
