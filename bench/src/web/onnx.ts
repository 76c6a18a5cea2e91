import { OnnxRuntime, type OrtProvider, type OrtSession } from '../onnx/session.js';

/**
 * A build for each provider: WebAssembly that waits for WebGPU can be suspended, which without the browser's help (JSPI)
 * makes it slower.
 */
const BUILDS: Partial<Readonly<Record<OrtProvider, string>>> = {
  webgpu: 'Suspending' in WebAssembly ? 'ort.jspi.min.mjs' : 'ort.webgpu.min.mjs',
  wasm: 'ort.wasm.min.mjs',
};

/** What of onnxruntime-web has to be set before it is used. */
interface WebModule {
  readonly env: { readonly wasm: { wasmPaths?: string; numThreads?: number } };
}

/** ONNX Runtime in a browser, loaded from a folder of the page's server when a provider is first used. */
export class OnnxRuntimeWeb {
  readonly #builds = new Map<OrtProvider, Promise<OnnxRuntime>>();

  /** @param threads Of WebAssembly. */
  constructor(
    private readonly folder: string,
    private readonly threads: number,
  ) {}

  /** As `OnnxRuntime.session`. */
  async session(...[model, provider, inputs]: Parameters<OnnxRuntime['session']>): Promise<OrtSession> {
    let build = this.#builds.get(provider);
    if (!build) this.#builds.set(provider, (build = this.#load(provider)));
    return (await build).session(model, provider, inputs);
  }

  async #load(provider: OrtProvider): Promise<OnnxRuntime> {
    const build = BUILDS[provider];
    if (!build) throw new Error(`ONNX Runtime for browsers has no provider "${provider}".`);
    const module = (await import(`${this.folder}${build}`)) as WebModule;
    module.env.wasm.wasmPaths = this.folder;
    module.env.wasm.numThreads = this.threads;
    return new OnnxRuntime(module as never);
  }
}
