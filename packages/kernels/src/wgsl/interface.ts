/** A storage buffer of a kernel. */
interface WgslBinding {
  readonly name: string;
  readonly access: 'read' | 'write';
  /** What tensors it can be bound to; any where it is declared as words (`u32`). */
  readonly dtype: 'float32' | 'int32' | undefined;
}

/** The scalar types of uniforms. */
type WgslScalar = 'u32' | 'i32' | 'f32';

/** A member of a kernel's `struct Params`. */
interface WgslUniform {
  readonly name: string;
  readonly type: WgslScalar;
  /** First word, and number of scalars: 1, those of a vector, or those of an array of vectors of 4. */
  readonly offset: number;
  readonly length: number;
}

/** What a kernel is launched with, as its text declares it. */
export interface WgslInterface {
  /** In the order of their numbers, 0, 1, ... */
  readonly bindings: readonly WgslBinding[];
  readonly uniforms: readonly WgslUniform[];
  /** Words of the uniform buffer, which has the number after the last; 0 where there is none. */
  readonly uniformWords: number;
  /** Invocations of a workgroup. */
  readonly workgroupSize: number;
  /** Whether a flat count of workgroups may be folded into two dimensions: whether the text reads `num_workgroups`. */
  readonly folds: boolean;
}

/** What WebGPU promises of a uniform buffer: 64 KiB. */
export const MAX_UNIFORM_WORDS = 16384;

/** A declaration that does not hold together; `field` is the binding or the uniform at fault. */
export class WgslInterfaceError extends Error {
  override readonly name = 'WgslInterfaceError';
  constructor(
    readonly field: string,
    message: string,
  ) {
    super(message);
  }
}

interface Declaration {
  readonly number: string;
  readonly space: 'storage' | 'uniform';
  readonly access: string | undefined;
  readonly name: string;
  readonly type: string;
}

/** The buffers that a text declares, and the members of `struct Params`. @throws WgslInterfaceError */
function declarationsOf(text: string): {
  buffers: Declaration[];
  members: readonly (readonly [name: string, type: string])[];
} {
  const declarations =
    /(?:@group\(0\)\s*@binding\((\w+)\)\s*)?\bvar<(storage|uniform)(?:,\s*(\w+))?>\s*(\w+)\s*:\s*([^;]+);/g;
  const buffers = [...text.matchAll(declarations)].map(([, number, space, access, name, type]): Declaration => {
    if (number === undefined) throw new WgslInterfaceError(name!, `has no @group(0) @binding(auto)`);
    if (space === 'uniform' && type!.trim() !== 'Params')
      throw new WgslInterfaceError(name!, `is a uniform buffer of ${type}, not of struct Params`);
    return { number, space: space as 'uniform', access, name: name!, type: type!.trim() };
  });
  const [, body] = /\bstruct\s+Params\s*\{([^}]*)\}/.exec(text) ?? [];
  if ((body === undefined) === buffers.some(({ space }) => space === 'uniform')) {
    const message = body === undefined ? 'is not declared' : 'is declared, but no uniform buffer of it';
    throw new WgslInterfaceError('Params', message);
  }
  const members = [...(body ?? '').matchAll(/(\w+)\s*:\s*([\w$]+(?:<[^>]*>)?)/g)];
  return { buffers, members: members.map(([, name, type]) => [name!, type!] as const) };
}

const withoutComments = (wgsl: string): string => wgsl.replace(/\/\/.*$/gm, '');

/**
 * Reads the names of the buffers from a template with all of its branches.
 * @throws WgslInterfaceError for declarations that cannot be bound, whatever the parameters are.
 */
export function readBindings(template: string): ReadonlySet<string> {
  const { buffers, members } = declarationsOf(withoutComments(template));
  for (const [name, type] of members) if (!type.includes('$')) elementsOf(name, type);
  return new Set(buffers.flatMap(({ space, name }) => (space === 'storage' ? name : [])));
}

/**
 * Reads the bindings and the uniforms from the text of a kernel. Bindings are of group 0, the uniform buffer is a `struct Params`
 * of scalars, vectors and arrays of vectors of 4.
 * @throws WgslInterfaceError for declarations that cannot be bound.
 */
export function readInterface(wgsl: string): WgslInterface {
  const text = withoutComments(wgsl);
  const aliases = new Map(
    [...text.matchAll(/\balias\s+(\w+)\s*=\s*([\w<>]+)\s*;/g)].map(([, name, type]) => [name!, type!]),
  );
  const { buffers, members } = declarationsOf(text);
  const numbers: string[] = [];
  const bindings: WgslBinding[] = [];
  let uniformBinding = -1;
  for (const { number, space, access, name, type } of buffers) {
    if (numbers.includes(number)) throw new WgslInterfaceError(name, `has the number of another binding, ${number}`);
    numbers.push(number);
    if (space === 'uniform') uniformBinding = Number(number);
    else {
      const [, element = ''] = /^array<(?:atomic<)?(\w+)/.exec(type) ?? [];
      const scalar = scalarOf(aliases.get(element) ?? element);
      const dtype = scalar === 'f32' ? 'float32' : scalar === 'i32' ? 'int32' : undefined;
      bindings[Number(number)] = { name, access: access === 'read_write' ? 'write' : 'read', dtype };
    }
  }
  const order = numbers.map(Number).sort((a, b) => a - b);
  const gap = order.findIndex((number, i) => number !== i);
  if (gap >= 0) throw new WgslInterfaceError('bindings', `are numbered ${order.join(', ')}, not one after the other`);
  if (uniformBinding >= 0 && uniformBinding < bindings.length) {
    throw new WgslInterfaceError('Params', 'has a binding before the last');
  }
  const uniforms = readStruct(members);
  const last = uniforms.at(-1);
  const uniformWords = last ? Math.ceil((last.offset + last.length) / 4) * 4 : 0;
  if (uniformWords > MAX_UNIFORM_WORDS) {
    throw new WgslInterfaceError('Params', `takes ${4 * uniformWords} bytes, and a uniform buffer has 65536 at most`);
  }
  return {
    bindings,
    uniforms,
    uniformWords,
    workgroupSize: readWorkgroupSize(text),
    folds: /\bnum_workgroups\b/.test(text),
  };
}

/** The scalar that a type consists of: `vec4f`, `vec4<f32>` and `f32` consist of `f32`. */
function scalarOf(type: string): WgslScalar | undefined {
  const [, scalar] = /^(?:vec[234]<)?([uif])(?:32)?>?$/.exec(type.replace(/^vec[234](?=[uif]$)/, '')) ?? [];
  return scalar === undefined ? undefined : (`${scalar}32` as WgslScalar);
}

/** What a member consists of: scalars, of which `width` are a vector. @throws WgslInterfaceError */
function elementsOf(name: string, type: string): { scalar: WgslScalar; width: number; count: number } {
  const [, element = type, count = '1'] = /^array<\s*(vec4[uif]|vec4<\w+)>?\s*,\s*(\d+)u?\s*>$/.exec(type) ?? [];
  const scalar = scalarOf(element);
  if (!scalar) throw new WgslInterfaceError(name, `of struct Params is a ${type}, which no number can be written to`);
  return { scalar, width: Number(/^vec([234])/.exec(element)?.[1] ?? 1), count: Number(count) };
}

/** Members with their places, by the layout rules of the uniform address space. */
function readStruct(members: readonly (readonly [name: string, type: string])[]): WgslUniform[] {
  let end = 0;
  return members.map(([name, memberType]) => {
    const { scalar: type, width, count } = elementsOf(name, memberType);
    const align = width === 3 ? 4 : width;
    const offset = Math.ceil(end / align) * align;
    const length = width * count;
    end = offset + length;
    return { name, type, offset, length };
  });
}

/** Invocations of a workgroup; its sides may be constants of the text. */
function readWorkgroupSize(text: string): number {
  const [, sides = '1'] = /@workgroup_size\(([^)]*)\)/.exec(text) ?? [];
  return sides.split(',').reduce((size, side) => {
    const literal = /^\d+u?$/.test(side.trim())
      ? side
      : (new RegExp(`\\bconst\\s+${side.trim()}\\s*(?::\\s*u32)?\\s*=\\s*(\\d+)u?\\s*;`).exec(text)?.[1] ?? 'NaN');
    return size * Number.parseInt(literal, 10);
  }, 1);
}
