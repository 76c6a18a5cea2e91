import type { Program } from './kernel.js';
import { packedUniforms } from './uniforms.js';

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
  readonly #uniformBuffers = new Map<string, { id: number; buffer: GPUBuffer }>();
  readonly #bindGroups = new Map<string, GPUBindGroup>();
  readonly #bufferIds = new WeakMap<GPUBuffer, number>();
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

  /** @param uniforms What `packUniforms` said of those that it packed last. */
  bindGroup(
    program: Program,
    compiled: CompiledProgram,
    buffers: readonly GPUBuffer[],
    uniforms: string,
  ): GPUBindGroup {
    let key = String(compiled.id);
    for (const buffer of buffers) {
      let id = this.#bufferIds.get(buffer);
      if (id === undefined) this.#bufferIds.set(buffer, (id = this.#nextId++));
      key += `,${id}`;
    }
    const uniform = program.uniformWords > 0 ? this.#uniformBuffer(program, uniforms) : undefined;
    if (uniform) key += `,${uniform.id}`;
    const known = this.#bindGroups.get(key);
    if (known) return known;
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    if (uniform) entries.push({ binding: entries.length, resource: { buffer: uniform.buffer } });
    const bindGroup = this.device.createBindGroup({ layout: compiled.layout, entries });
    if (this.#bindGroups.size >= MAX_BIND_GROUPS) this.#bindGroups.delete(this.#bindGroups.keys().next().value!);
    this.#bindGroups.set(key, bindGroup);
    return bindGroup;
  }

  /** Uniform buffers are immutable and shared by content: the same shapes recur every frame. */
  #uniformBuffer(program: Program, key: string) {
    const known = this.#uniformBuffers.get(key);
    if (known) return known;
    const words = packedUniforms(program);
    const buffer = this.device.createBuffer({
      size: words.byteLength,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    this.device.queue.writeBuffer(buffer, 0, words);
    const uniform = { id: this.#nextId++, buffer };
    // Not destroyed: captured graphs may use it. Bind groups keep it alive as long as they need it.
    if (this.#uniformBuffers.size >= MAX_UNIFORM_BUFFERS) {
      this.#uniformBuffers.delete(this.#uniformBuffers.keys().next().value!);
    }
    this.#uniformBuffers.set(key, uniform);
    return uniform;
  }

  /** Forgets the bind groups, which keep their buffers alive. */
  trim(): void {
    this.#bindGroups.clear();
  }
}
