import { MAX_UNIFORM_WORDS } from '../wgsl/index.js';
import { KernelDefinitionError, type KernelUniforms, type Program, placeOf } from './kernel.js';

const words = new Uint32Array(MAX_UNIFORM_WORDS);
const floats = new Float32Array(words.buffer);

/** Whether a number can be stored in a uniform as it is. A float may lose digits, but has to be a number. */
function fits(value: unknown, type: string): boolean {
  if (typeof value !== 'number') return false;
  if (type === 'u32') return value >>> 0 === value;
  if (type === 'i32') return (value | 0) === value;
  return !Number.isNaN(value);
}

const EXPECTED = { u32: 'an integer from 0 to 4294967295', i32: 'an integer of 32 bits', f32: 'a number' };

function refuse(program: Program, index: number, value: unknown): never {
  const { name, type, length } = program.uniforms[index]!;
  const expected = length === 1 ? EXPECTED[type] : `a list of ${length}, each ${EXPECTED[type]}`;
  throw new KernelDefinitionError(program.name, name, `wants ${expected}, got ${value}`);
}

/**
 * Puts uniforms in the places that a program's `struct Params` gives them.
 * @returns The first `program.uniformWords` of these words are its uniform buffer, until something else is packed.
 * @throws KernelDefinitionError for a name that is missing or unknown, a fraction where an integer belongs, a list of another length.
 */
export function packUniforms(program: Program, values: KernelUniforms): Uint32Array<ArrayBuffer> {
  const { uniforms, uniformKeys, uniformWords } = program;
  words.fill(0, 0, uniformWords);
  let given = 0;
  let next = 0;
  for (const name in values) {
    const value = values[name];
    if (value === undefined) continue;
    const i = placeOf(program, 'uniform', uniformKeys, name, next);
    const { type, offset, length } = uniforms[i]!;
    const list = length > 1 ? (value as readonly number[]) : undefined;
    if (list && (!Array.isArray(list) || list.length !== length)) refuse(program, i, value);
    for (let j = 0; j < length; j++) {
      const number = list ? list[j] : value;
      if (!fits(number, type)) refuse(program, i, value);
      if (type === 'f32') floats[offset + j] = number as number;
      else words[offset + j] = number as number;
    }
    given++;
    next = i + 1;
  }
  if (given < uniforms.length) {
    const missing = uniformKeys.findIndex((name) => values[name] === undefined);
    refuse(program, missing, undefined);
  }
  return words;
}
