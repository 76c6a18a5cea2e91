import { lintWgsl, preprocess, type WgslParams } from '../wgsl/index.js';

/** How a kernel uses each of its storage buffers, in binding order. */
export type BufferAccess = 'read' | 'write';

/** One compiled form of a kernel: its text and its bindings. Made once by `defineProgram` and shared. */
export interface Program {
  /** Kernel and variant, as shown in profiles: `gemm/broadcast`. */
  readonly name: string;
  /** Identifies the text; equal keys mean equal WGSL. */
  readonly key: string;
  readonly wgsl: string;
  /** Storage buffers at bindings 0, 1, ...; the uniform buffer, if any, has the binding after the last. */
  readonly buffers: readonly BufferAccess[];
  readonly hasUniforms: boolean;
}

const programs = new Map<string, Program>();

/**
 * Expands a WGSL template into a program; the same name and parameters give the same object.
 * @throws WgslTemplateError for a wrong template; Error when the result breaks a rule of the lint.
 */
export function defineProgram(spec: {
  name: string;
  template: string;
  params?: WgslParams;
  includes?: Readonly<Record<string, string>>;
  buffers: readonly BufferAccess[];
  hasUniforms?: boolean;
}): Program {
  const { name, template, params = {}, includes, buffers, hasUniforms = true } = spec;
  let key = name;
  for (const parameter in params) key += `|${parameter}=${params[parameter]}`;
  const known = programs.get(key);
  if (known) return known;
  const wgsl = preprocess(name, template, params, includes);
  const findings = lintWgsl(wgsl);
  if (findings.length > 0) {
    throw new Error(`${name}: ${findings.map((f) => `line ${f.line}: ${f.message}`).join('; ')}`);
  }
  const program: Program = { name, key, wgsl, buffers, hasUniforms };
  programs.set(key, program);
  return program;
}

/** Every program defined so far in this process, for compile-only checks and snapshots. */
export function definedPrograms(): readonly Program[] {
  return [...programs.values()];
}

/** A float in a uniform list; plain numbers are written as u32 (negative ones as i32). */
export interface FloatUniform {
  readonly f32: number;
}

/** Marks a uniform as a float. */
export const f32 = (value: number): FloatUniform => ({ f32: value });

/** One uniform struct member, 4 bytes: structs consist of scalars only, so that no padding rules apply. */
export type UniformValue = number | FloatUniform;

/** Packs uniforms into words, padded to 16 bytes as WGSL requires of uniform structs. */
export function packUniforms(values: readonly UniformValue[]): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.max(4, Math.ceil(values.length / 4) * 4));
  const floats = new Float32Array(words.buffer);
  values.forEach((value, i) => {
    if (typeof value === 'number') words[i] = value;
    else floats[i] = value.f32;
  });
  return words;
}
