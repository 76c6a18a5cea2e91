import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  lintWgsl,
  preprocess,
  readBindings,
  readInterface,
  readTemplate,
  type WgslInterface,
  WgslInterfaceError,
  type WgslParams,
} from '../wgsl/index.js';

/** A kernel, or a launch of it, that does not go with what its WGSL declares. */
export class KernelDefinitionError extends Error {
  override readonly name = 'KernelDefinitionError';
  constructor(
    /** Kernel and variant. */
    readonly kernel: string,
    /** The binding or uniform at fault, as the WGSL calls it. */
    readonly field: string,
    message: string,
  ) {
    super(`kernel ${kernel}: ${field} ${message}`);
  }
}

/** The declaration of a kernel: all there is to say about it beside its WGSL. */
export interface KernelSpec {
  /** Kernel and variant, as shown in profiles: `gemm/broadcast`. */
  readonly name: string;
  /** WGSL for the preprocessor, with `struct Params` for uniforms and `@group(0) @binding(auto)` for buffers. */
  readonly template: string;
  readonly includes?: Readonly<Record<string, string>>;
  /** Parameters of the template that are the same in every launch. */
  readonly params?: WgslParams;
  /**
   * Bindings that a launch may do without. The parameter of the same name in capitals tells the template which are there:
   * `bias` is behind `#if BIAS`.
   */
  readonly optional?: readonly string[];
}

/** Tensors by the names of their bindings, in camel case. Missing is one that is undefined. */
export type KernelTensors = Readonly<Record<string, TensorInfo | undefined>>;

/** Numbers by the names of the members of `struct Params`, in camel case; lists for vectors and arrays. Missing is one that is undefined. */
export type KernelUniforms = Readonly<Record<string, number | readonly number[] | undefined>>;

/** Parameters of a launch; one that is undefined is none. */
export type KernelParams = Readonly<Record<string, WgslParams[string] | undefined>>;

/** One text of a kernel, with its parameters put in, and what it is launched with. Made once, and shared. */
export interface Program extends WgslInterface {
  /** Kernel and variant. */
  readonly name: string;
  /** Identifies the text; equal keys mean equal WGSL. */
  readonly key: string;
  readonly wgsl: string;
  /** Names of bindings and uniforms in a launch. */
  readonly bindingKeys: readonly string[];
  readonly uniformKeys: readonly string[];
}

const programs = new Map<string, Program>();

/** Every program made so far in this process, for compile-only checks and snapshots. */
export const definedPrograms = (): readonly Program[] => [...programs.values()];

const camelCase = (name: string): string => name.replace(/_+(\w)/g, (_, first: string) => first.toUpperCase());

/** What a template says whatever the parameters are. */
interface Source {
  readonly parameters: ReadonlySet<string>;
  /** Names of the buffers. */
  readonly bindings: ReadonlySet<string>;
}

const NO_INCLUDES = {};
const sources = new Map<string, Map<object, Source>>();

/** Reads a template, which several kernels may share, once. @throws WgslTemplateError, WgslInterfaceError */
function readSource(name: string, template: string, includes: NonNullable<KernelSpec['includes']>): Source {
  const known = sources.get(template)?.get(includes);
  if (known) return known;
  const { parameters, text } = readTemplate(name, template, includes);
  const source = { parameters, bindings: readBindings(text) };
  sources.set(template, (sources.get(template) ?? new Map()).set(includes, source));
  return source;
}

/** A node of the tree by which a kernel's programs are found: down by names and values of parameters, then by which tensors there are. */
class ProgramNode {
  program: Program | undefined;
  readonly #children = new Map<unknown, ProgramNode>();

  child(key: unknown): ProgramNode {
    let child = this.#children.get(key);
    if (!child) this.#children.set(key, (child = new ProgramNode()));
    return child;
  }
}

/** A kernel and its programs. Of `defineKernel`. */
export class Kernel {
  readonly name: string;
  /** All that its programs are made from, for fingerprints. */
  readonly sources: readonly string[];
  readonly #switches: readonly (readonly [binding: string, parameter: string])[];
  readonly #root = new ProgramNode();
  readonly #parameters: ReadonlySet<string>;

  constructor(private readonly spec: KernelSpec) {
    const {
      name,
      template,
      includes = NO_INCLUDES as Readonly<Record<string, string>>,
      params = {},
      optional = [],
    } = spec;
    this.name = name;
    this.sources = [template, ...Object.values(includes), JSON.stringify(params)];
    this.#switches = optional.map((binding) => [binding, binding.replace(/[A-Z]/g, '_$&').toUpperCase()]);
    const { parameters, bindings } = this.#reading(() => readSource(name, template, includes));
    this.#parameters = parameters;
    this.#knows(params);
    const known = [...bindings].map(camelCase);
    for (const [binding, parameter] of this.#switches) {
      const lack = !parameters.has(parameter)
        ? `nothing is behind #if ${parameter}`
        : `there is only ${known.join(', ')}`;
      if (!parameters.has(parameter) || !known.includes(binding)) {
        throw new KernelDefinitionError(name, binding, `is optional, but ${lack}`);
      }
    }
  }

  /** @throws KernelDefinitionError for a parameter that the template does not have, which would change nothing. */
  #knows(params: KernelParams): void {
    for (const parameter in params) {
      if (params[parameter] === undefined || this.#parameters.has(parameter)) continue;
      const known = [...this.#parameters].join(', ') || 'none';
      throw new KernelDefinitionError(this.name, parameter, `is no parameter of it; there is ${known}`);
    }
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof WgslInterfaceError) throw new KernelDefinitionError(this.name, error.field, error.message);
      throw error;
    }
  }

  /**
   * The program for these parameters and for the tensors that are there.
   * @throws WgslTemplateError for a wrong template; KernelDefinitionError when the result breaks a rule of the lint or cannot
   *   be bound.
   */
  program(params: KernelParams | undefined, tensors: KernelTensors): Program {
    let node = this.#root;
    for (const parameter in params) {
      const value = params[parameter];
      if (value !== undefined) node = node.child(parameter).child(value);
    }
    for (const [binding] of this.#switches) node = node.child(tensors[binding] !== undefined);
    return (node.program ??= this.#make(params, tensors));
  }

  #make(params: KernelParams = {}, tensors: KernelTensors): Program {
    this.#knows(params);
    const given = Object.entries(params).filter(([, value]) => value !== undefined);
    const switches = this.#switches.map(([binding, name]) => [name, tensors[binding] !== undefined] as const);
    const key = [...given, ...switches].map(([name, value]) => `|${name}=${value}`).join('');
    const program = this.#expand(key, {
      ...this.spec.params,
      ...params,
      ...Object.fromEntries(switches),
    } as WgslParams);
    programs.set(program.key, program);
    return program;
  }

  #expand(key: string, params: WgslParams): Program {
    const { name, template, includes } = this.spec;
    const wgsl = preprocess(name, template, params, includes);
    const [finding] = lintWgsl(wgsl);
    if (finding) throw new KernelDefinitionError(name, `line ${finding.line}`, finding.message);
    const read = this.#reading(() => readInterface(wgsl));
    return {
      ...read,
      name,
      key: name + key,
      wgsl,
      bindingKeys: read.bindings.map((binding) => camelCase(binding.name)),
      uniformKeys: read.uniforms.map((uniform) => camelCase(uniform.name)),
    };
  }
}

/**
 * Declares a kernel. Its WGSL is read for what it is launched with, so that nothing is said twice.
 * @throws KernelDefinitionError for a declaration that contradicts itself, in whatever branch; WgslTemplateError for a wrong directive.
 */
export const defineKernel = (spec: KernelSpec): Kernel => new Kernel(spec);

/**
 * The place of a name among those that the WGSL declares.
 * @param next The place to look at first: launches name things in the order of the WGSL, as a rule.
 * @throws KernelDefinitionError for a name that it does not declare.
 */
export function placeOf(program: Program, kind: string, known: readonly string[], name: string, next: number): number {
  const place = known[next] === name ? next : known.indexOf(name);
  if (place >= 0) return place;
  throw new KernelDefinitionError(program.name, name, `is no ${kind} of it; there is ${known.join(', ') || 'none'}`);
}
