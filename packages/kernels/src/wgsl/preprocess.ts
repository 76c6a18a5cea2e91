/**
 * A small preprocessor for WGSL, so that one file holds the variants of a kernel that share its structure.
 *
 *   #if EXPR / #elif EXPR / #else / #endif     EXPR is JavaScript-like over the parameters: SG == 8 && !BIAS
 *   #include "name"                            the text registered under that name
 *   #unroll i START END ... #endunroll         repeats the lines with $i (or ${i}) replaced; nests
 *   ${EXPR}                                    the value of an expression over parameters and unroll counters
 *   @binding(auto)                             the next free number, counted from 0 through all that is included
 *
 * Shapes belong in uniforms; parameters are for what changes the code (tile sizes, epilogues, subgroup width).
 */
export type WgslParams = Readonly<Record<string, number | string | boolean>>;

/** A directive that is wrong: names the template and the line. */
export class WgslTemplateError extends Error {
  override readonly name = 'WgslTemplateError';
  constructor(
    readonly template: string,
    readonly line: number,
    message: string,
  ) {
    super(`${template}:${line}: ${message}`);
  }
}

type Token = { kind: 'number' | 'name' | 'string' | 'operator'; text: string };

/** Binary operators by precedence, loosest first. */
const PRECEDENCE = [['||'], ['&&'], ['==', '!='], ['<', '<=', '>', '>='], ['+', '-'], ['*', '/', '%']];

const APPLY: Record<string, (a: number | string, b: number | string) => number> = {
  '||': (a, b) => Number(Boolean(a) || Boolean(b)),
  '&&': (a, b) => Number(Boolean(a) && Boolean(b)),
  '==': (a, b) => Number(a === b),
  '!=': (a, b) => Number(a !== b),
  '<': (a, b) => Number(a < b),
  '<=': (a, b) => Number(a <= b),
  '>': (a, b) => Number(a > b),
  '>=': (a, b) => Number(a >= b),
  '+': (a, b) => Number(a) + Number(b),
  '-': (a, b) => Number(a) - Number(b),
  '*': (a, b) => Number(a) * Number(b),
  '/': (a, b) => Math.trunc(Number(a) / Number(b)),
  '%': (a, b) => Number(a) % Number(b),
};

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_]\w*)|'([^']*)'|(\|\||&&|==|!=|<=|>=|[<>+\-*/%!()]))/gy;
  let end = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    end = pattern.lastIndex;
    if (match[1] !== undefined) tokens.push({ kind: 'number', text: match[1] });
    else if (match[2] !== undefined) tokens.push({ kind: 'name', text: match[2] });
    else if (match[3] !== undefined) tokens.push({ kind: 'string', text: match[3] });
    else tokens.push({ kind: 'operator', text: match[4]! });
  }
  if (text.slice(end).trim()) throw new SyntaxError(`cannot read "${text.slice(end).trim()}"`);
  return tokens;
}

/** Evaluates an expression over parameters; booleans are 0 and 1. */
function evaluate(text: string, params: WgslParams): number | string {
  const tokens = tokenize(text);
  let at = 0;
  const unary = (): number | string => {
    const token = tokens[at++];
    if (!token) throw new SyntaxError(`"${text}" ends too early`);
    if (token.kind === 'number') return Number(token.text);
    if (token.kind === 'string') return token.text;
    if (token.kind === 'name') {
      const value = params[token.text];
      if (value === undefined) throw new ReferenceError(`unknown parameter "${token.text}"`);
      return typeof value === 'boolean' ? Number(value) : value;
    }
    if (token.text === '!') return Number(!unary());
    if (token.text === '-') return -Number(unary());
    if (token.text === '(') {
      const value = binary(0);
      if (tokens[at++]?.text !== ')') throw new SyntaxError(`missing ")" in "${text}"`);
      return value;
    }
    throw new SyntaxError(`unexpected "${token.text}" in "${text}"`);
  };
  const binary = (level: number): number | string => {
    if (level === PRECEDENCE.length) return unary();
    let left = binary(level + 1);
    while (tokens[at]?.kind === 'operator' && PRECEDENCE[level]!.includes(tokens[at]!.text)) {
      const operator = tokens[at++]!.text;
      left = APPLY[operator]!(left, binary(level + 1));
    }
    return left;
  };
  const value = binary(0);
  if (at < tokens.length) throw new SyntaxError(`unexpected "${tokens[at]!.text}" in "${text}"`);
  return value;
}

/** Expands a template. Throws `WgslTemplateError` for a wrong directive, a missing include or an unknown parameter. */
export function preprocess(...template: Parameters<typeof expandTemplate>): string {
  let bindings = 0;
  return expandTemplate(...template).replaceAll('@binding(auto)', () => `@binding(${bindings++})`);
}

/**
 * Reads a template without expanding it: every branch, every include.
 * @returns The parameters that it knows, and its WGSL with that of all branches, where `$` stands for what is inserted.
 * @throws WgslTemplateError for a wrong directive or a missing include.
 */
export function readTemplate(
  name: string,
  template: string,
  includes: Readonly<Record<string, string>> = {},
): { readonly parameters: ReadonlySet<string>; readonly text: string } {
  const parameters = new Set<string>();
  const visit = (file: string, text: string, outer: readonly string[]): string => {
    const blocks: { readonly closer: string; readonly offset: number; readonly counter?: string }[] = [];
    const fail = (offset: number, message: string): never => {
      throw new WgslTemplateError(file, text.slice(0, offset).split('\n').length, message);
    };
    const counters = () => [...outer, ...blocks.flatMap(({ counter }) => counter ?? [])];
    const parse = (expression = ''): void => {
      const known = counters();
      const record = (parameter: string) => (known.includes(parameter) ? 1 : parameters.add(parameter) && 1);
      evaluate(expression, new Proxy({}, { get: (_, parameter: string) => record(parameter) }));
    };
    const read = (directive: string, rest: string, offset: number): string => {
      const [counter, start, end] = rest.trim().split(/\s+/);
      if (directive === '#if') blocks.push({ closer: '#endif', offset });
      if (directive === '#if' || directive === '#elif') parse(rest);
      else if (directive === '#unroll') {
        parse(start);
        parse(end);
        blocks.push({ closer: '#endunroll', offset, counter: counter! });
      } else if (directive === '#endif' || directive === '#endunroll') {
        if (blocks.pop()?.closer !== directive) throw new SyntaxError(`${directive} closes nothing`);
      } else if (directive === '#include') {
        return visit(...includedText(rest, includes), counters());
      } else if (directive !== '#else') throw new SyntaxError(`unknown directive "${directive}"`);
      return '';
    };
    const visited = text.replace(MARKS, (_, directive, rest, expression, bare, offset) => {
      try {
        if (directive !== undefined) return read(directive, rest, offset);
        parse(expression ?? bare);
        return '$';
      } catch (error) {
        if (error instanceof WgslTemplateError) throw error;
        return fail(offset, (error as Error).message);
      }
    });
    const [open] = blocks;
    return open ? fail(open.offset, `there is no ${open.closer}`) : visited;
  };
  return { text: visit(name, template, []), parameters };
}

/** A directive, or what is inserted. */
const MARKS = /^[ \t]*(#\w*)(.*)$|\$(?:\{([^}]*)\}|([A-Za-z]\w*))/gm;

/** `${expression}` or `$name`. */
const INSERTION = /\$(?:\{([^}]*)\}|([A-Za-z]\w*))/g;

/** The text of an include. @throws ReferenceError */
function includedText(directive: string, includes: Readonly<Record<string, string>>): [name: string, text: string] {
  const name = directive.replace('#include', '').replace(/"/g, '').trim();
  const text = includes[name];
  if (text === undefined) throw new ReferenceError(`no include named "${name}"`);
  return [name, text];
}

function expandTemplate(
  name: string,
  template: string,
  params: WgslParams,
  includes: Readonly<Record<string, string>> = {},
): string {
  const lines = template.split('\n');
  const output: string[] = [];

  /** Index of the line that closes the block opened at `open`, and the `#elif`/`#else` lines of the same level. */
  const findBlock = (open: number, opener: string, closer: string) => {
    const middles: number[] = [];
    let depth = 0;
    for (let i = open + 1; i < lines.length; i++) {
      const word = lines[i]!.trim().split(/\s+/, 1)[0]!;
      if (word === opener) depth++;
      else if (word === closer) {
        if (depth-- === 0) return { middles, close: i };
      } else if (depth === 0 && (word === '#elif' || word === '#else')) middles.push(i);
    }
    throw new WgslTemplateError(name, open + 1, `${opener} without ${closer}`);
  };

  const expand = (from: number, to: number, scope: WgslParams): void => {
    for (let i = from; i < to; i++) {
      const line = lines[i]!;
      const directive = line.trim();
      try {
        if (directive.startsWith('#if ')) {
          const { middles, close } = findBlock(i, '#if', '#endif');
          const starts = [i, ...middles, close];
          for (let branch = 0; branch + 1 < starts.length; branch++) {
            const head = lines[starts[branch]!]!.trim();
            const taken = head === '#else' || evaluate(head.replace(/^#(if|elif)\s+/, ''), scope);
            if (taken) {
              expand(starts[branch]! + 1, starts[branch + 1]!, scope);
              break;
            }
          }
          i = close;
        } else if (directive.startsWith('#unroll ')) {
          const { close } = findBlock(i, '#unroll', '#endunroll');
          const [, counter, start, end] = directive.split(/\s+/);
          const last = Number(evaluate(end!, scope));
          for (let k = Number(evaluate(start!, scope)); k < last; k++)
            expand(i + 1, close, { ...scope, [counter!]: k });
          i = close;
        } else if (directive.startsWith('#include ')) {
          output.push(expandTemplate(...includedText(directive, includes), scope, includes));
        } else if (directive.startsWith('#')) {
          throw new SyntaxError(`unknown directive "${directive}"`);
        } else {
          output.push(
            line.replace(INSERTION, (_, expression: string | undefined, bare: string) =>
              String(evaluate(expression ?? bare, scope)),
            ),
          );
        }
      } catch (error) {
        if (error instanceof WgslTemplateError) throw error;
        throw new WgslTemplateError(name, i + 1, (error as Error).message);
      }
    }
  };
  expand(0, lines.length, params);
  return output.join('\n');
}
