import type { Program } from './kernel.js';
import { WordMap } from './word-map.js';

/** Bind groups kept; a frame of the largest model uses about 600. */
const MAX_BIND_GROUPS = 8192;
/** Uniform buffers kept; a growing memory makes a few new ones a frame. */
const MAX_UNIFORM_BUFFERS = 4096;

interface CompiledProgram {
  id: number;
  pipeline: GPUComputePipeline;
  layout: GPUBindGroupLayout;
}

/** The caches that make a dispatch cheap: pipelines, uniform buffers, bind groups. */
export class BindCache {
  readonly #compiled = new Map<Program, CompiledProgram>();
  readonly #uniformBuffers = new WordMap<{ id: number; buffer: GPUBuffer }>(MAX_UNIFORM_BUFFERS);
  readonly #bindGroups = new WordMap<GPUBindGroup>(MAX_BIND_GROUPS);
  readonly #bufferIds = new WeakMap<GPUBuffer, number>();
  /** Program, buffers and uniforms of the bind group that is asked for; WebGPU knows no bindings beyond 1000. */
  readonly #bound = new Uint32Array(1002);
  #nextId = 1;

  constructor(private readonly device: GPUDevice) {}

  compile(program: Program): CompiledProgram {
    const known = this.#compiled.get(program);
    if (known) return known;
    const entries: GPUBindGroupLayoutEntry[] = program.bindings.map(({ access }, binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: access === 'read' ? 'read-only-storage' : 'storage' },
    }));
    if (program.uniformWords > 0) {
      entries.push({ binding: entries.length, visibility: GPUShaderStage.COMPUTE, buffer: { type: 'uniform' } });
    }
    const layout = this.device.createBindGroupLayout({ label: program.name, entries });
    const pipeline = this.device.createComputePipeline({
      label: program.name,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: {
        module: this.device.createShaderModule({ label: program.key, code: program.wgsl }),
        entryPoint: 'main',
      },
    });
    const compiled = { id: this.#nextId++, pipeline, layout };
    this.#compiled.set(program, compiled);
    return compiled;
  }

  /** @param uniforms What `packUniforms` returned. */
  bindGroup(
    program: Program,
    compiled: CompiledProgram,
    buffers: readonly GPUBuffer[],
    uniforms: Uint32Array<ArrayBuffer>,
  ): GPUBindGroup {
    const bound = this.#bound;
    let length = 0;
    bound[length++] = compiled.id;
    for (const buffer of buffers) {
      let id = this.#bufferIds.get(buffer);
      if (id === undefined) this.#bufferIds.set(buffer, (id = this.#nextId++));
      bound[length++] = id;
    }
    const uniform = program.uniformWords > 0 ? this.#uniformBuffer(uniforms, program.uniformWords) : undefined;
    if (uniform) bound[length++] = uniform.id;
    return this.#bindGroups.get(bound, length, () => {
      const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
      if (uniform) entries.push({ binding: entries.length, resource: { buffer: uniform.buffer } });
      return this.device.createBindGroup({ layout: compiled.layout, entries });
    });
  }

  /**
   * Uniform buffers are immutable and shared by content: the same shapes recur every frame. None is destroyed, since captured
   * graphs may use it: bind groups keep it alive as long as they need it.
   */
  #uniformBuffer(words: Uint32Array<ArrayBuffer>, length: number) {
    return this.#uniformBuffers.get(words, length, () => {
      const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
      const buffer = this.device.createBuffer({ size: 4 * length, usage });
      this.device.queue.writeBuffer(buffer, 0, words, 0, length);
      return { id: this.#nextId++, buffer };
    });
  }

  /** Forgets the bind groups, which keep their buffers alive. */
  trim(): void {
    this.#bindGroups.clear();
  }
}
