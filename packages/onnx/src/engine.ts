import type { Captured, CapturePool, Engine, FrameOps, OpSet } from '@samtrack/kernels';
import {
  dispose,
  keep,
  type Tensor,
  type TensorContainer,
  type TensorInfo,
  tensor_util,
  engine as tfjsEngine,
  tidy,
  util,
} from '@tensorflow/tfjs-core';
import { BufferPool } from './buffer-pool.js';
import { OnnxEngineError } from './error.js';
import { Executables } from './executables.js';
import { frameOps } from './frame-ops/index.js';
import type { Host, HostOutput } from './host.js';
import { onnxOps } from './ops/index.js';
import type { BoundPort, OnnxRuntime } from './session/session.js';
import { ConstantData, type Layout, rowsOf, type TensorData, type Values } from './tensors.js';
import { OnnxTrace, type TracedWeight } from './trace.js';

/** Something to do in its turn. */
type Step = () => void | Promise<void>;

/** ONNX Runtime reads and writes 2^31 elements at most. */
const MAX_TENSOR_BYTES = 2 ** 31;

/**
 * Networks on the CPU by ONNX Runtime. Operations are written down as a graph; where results are needed, the graph is
 * compiled, once for all graphs that are alike, and run. Tensors are plain memory that graphs read and write in place.
 */
export class OnnxEngine implements Engine, Host {
  readonly kind = 'cpu';
  readonly ops: OpSet;
  readonly frameOps: FrameOps;
  readonly replays = true;
  readonly sharesMemory = true;
  readonly maxTensorBytes = MAX_TENSOR_BYTES;

  readonly #tensors = new Map<object, TensorData>();
  readonly #trace: OnnxTrace;
  readonly #executables: Executables;
  #pool = new BufferPool();
  readonly #pools = new Set<BufferPool>([this.#pool]);
  /** Steps of the capture under way, and how to give back what they use. */
  #capture: { steps: Step[]; releases: (() => void)[] } | undefined;
  /** Disposed since the last graph. */
  readonly #released: TensorData[] = [];
  #nextId = 0;
  /** Weights and the like. */
  readonly #constants = new Set<ConstantData>();
  #last: Promise<void> = Promise.resolve();
  #pending = 0;
  #failure: Error | undefined;

  constructor(private readonly runtime: OnnxRuntime) {
    this.#executables = new Executables(runtime);
    this.#trace = new OnnxTrace({
      get: ({ dataId }) => this.data(dataId),
      add: (dtype, shape) => this.#add({ dtype, shape, layout: 'rows', constant: false }),
    });
    this.ops = onnxOps(this, this.#trace);
    this.frameOps = frameOps(this, this.#trace);
  }

  get device(): string {
    return this.runtime.name;
  }

  get threads(): number {
    return this.runtime.threads;
  }

  /** Graphs that are compiled, or will be. */
  get compiledGraphs(): number {
    return this.#executables.size;
  }

  /** The graph in the making; for tfjs's own operations. */
  get trace(): OnnxTrace {
    return this.#trace;
  }

  /** What is known of a tensor. */
  data(dataId: object): TensorData {
    const data = this.#tensors.get(dataId);
    if (!data) throw new Error('This tensor is disposed, or not of this engine.');
    return data;
  }

  /** Whether ONNX Runtime failed: then nothing is computed any more. */
  get failed(): boolean {
    return this.#failure !== undefined;
  }

  get tensorCount(): number {
    return this.#tensors.size;
  }

  /** Registers values that never change. */
  constant(values: Values, shape: readonly number[]): object {
    const dataId = {};
    const data = new ConstantData(this.#nextId++, values, shape);
    this.#tensors.set(dataId, data);
    this.#constants.add(data);
    return dataId;
  }

  #add(data: Omit<TensorData, 'id' | 'refs'>): object {
    const dataId = {};
    this.#tensors.set(dataId, { ...data, id: this.#nextId++, refs: 1 });
    return dataId;
  }

  /** Forgets data. */
  release(dataId: object): void {
    const data = this.data(dataId);
    this.#tensors.delete(dataId);
    if (data instanceof ConstantData) {
      this.#constants.delete(data);
      this.#executables.forget(data);
    } else if (data.values) this.#released.push(data);
    if (this.#trace.graph.empty) this.#giveBack();
  }

  /** What the graph in the making reads must not be what it writes to: memory goes back once that has memory of its own. */
  #giveBack(): void {
    for (const { pool, values } of this.#released.splice(0)) pool?.give(values!.buffer);
  }

  allocate(shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Tensor {
    return this.#make(shape, dtype, { layout: 'rows', shape });
  }

  #make(shape: readonly number[], dtype: 'float32' | 'int32', layout: Layout): Tensor {
    const dataId = this.#add({ dtype, ...layout, constant: false });
    this.#fill(this.data(dataId));
    return tfjsEngine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype });
  }

  /** Gives data memory of its own. */
  #fill(data: TensorData): Values {
    data.pool = this.#pool;
    const buffer = this.#pool.take(4 * util.sizeFromShape([...data.shape]));
    data.values = data.dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer);
    return data.values;
  }

  write(
    { dataId }: TensorInfo,
    values: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  ): void {
    this.flush();
    const target = this.#writable(dataId);
    util.assert(
      values.byteLength === target.byteLength,
      () => `write: ${values.byteLength} bytes into ${target.byteLength}`,
    );
    const set = (bytes: ArrayBuffer, offset: number) =>
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(bytes, offset, target.byteLength),
      );
    if (this.#pending === 0) {
      set(values.buffer, values.byteOffset);
      return;
    }
    const copy = values.slice();
    this.#enqueue(() => set(copy.buffer, copy.byteOffset));
  }

  /** Memory that is about to be overwritten with contents channels last. */
  #writable(dataId: object): Values {
    const data = this.data(dataId);
    if (data.constant) throw new Error('A tensor that was made from values is not written to: allocate it.');
    const size = util.sizeFromShape([...data.shape]);
    // A picture without its fourth channel has less memory than its tensor has elements; such are not written to.
    data.layout = 'rows';
    data.shape = [size];
    return data.values!;
  }

  copy(source: TensorInfo, target: TensorInfo): void {
    this.into([source], target as Tensor, ([from], to) => to.set(from!));
  }

  async read(tensor: TensorInfo): Promise<ArrayBuffer> {
    this.flush();
    const { values, layout, shape } = this.data(tensor.dataId);
    const size = util.sizeFromShape([...tensor.shape]);
    let copy: Values | undefined;
    this.#enqueue(() => {
      const rows = rowsOf(values!, { layout, shape }, size);
      copy = rows === values ? rows.slice() : rows;
    });
    await this.finish();
    return copy!.buffer;
  }

  host(
    reads: readonly TensorInfo[],
    outputs: readonly HostOutput[],
    work: (inputs: readonly Values[], outputs: readonly Values[]) => void,
  ): Tensor[] {
    this.flush();
    const inputs = reads.map((tensor) => this.#reader(tensor));
    const tensors = outputs.map(({ shape, dtype = 'float32', layout }) =>
      this.#make(shape, dtype, layout ?? { layout: 'rows', shape }),
    );
    const targets = tensors.map(({ dataId }) => this.data(dataId).values!);
    this.#submit(() =>
      work(
        inputs.map((read) => read()),
        targets,
      ),
    );
    return tensors;
  }

  into<T extends Tensor>(
    reads: readonly TensorInfo[],
    target: T,
    work: (inputs: readonly Values[], target: Values) => void,
  ): T {
    this.flush();
    const inputs = reads.map((tensor) => this.#reader(tensor));
    const values = this.#writable(target.dataId);
    this.#submit(() => {
      work(
        inputs.map((read) => read()),
        values,
      );
    });
    return target;
  }

  #reader(tensor: TensorInfo): () => Values {
    const { values, layout, shape } = this.data(tensor.dataId);
    const size = util.sizeFromShape([...tensor.shape]);
    return () => rowsOf(values!, { layout, shape }, size);
  }

  flush(): void {
    const trace = this.#trace;
    const results = trace.results.filter((dataId) => this.#tensors.has(dataId));
    if (results.length === 0) {
      trace.reset();
      this.#giveBack();
      return;
    }
    const { graph } = trace;
    const taken = new Set([...trace.inputs.map(({ name }) => name), ...trace.weights.keys()]);
    const outputs: Record<string, BoundPort> = {};
    for (const dataId of results) {
      const data = this.data(dataId);
      const { name: value, layout, shape } = trace.value(dataId);
      // A value has one output, and an input is none.
      const name = taken.has(value) ? graph.node('Identity', [value]) : value;
      taken.add(name);
      graph.output(name, shape, data.dtype);
      Object.assign(data, { layout, shape });
      outputs[name] = this.runtime.bind({ type: data.dtype, shape, values: this.#fill(data) });
    }
    const { model, used } = graph.finish();
    const weights: TracedWeight[] = [...trace.weights.values()].filter(({ name }) => used.has(name));
    const inputs: Record<string, BoundPort> = {};
    for (const { name, type, shape, values } of trace.inputs) {
      if (used.has(name)) inputs[name] = this.runtime.bind({ type, shape, values });
    }
    trace.reset();
    this.#giveBack();
    const executable = this.#executables.use(model, weights);
    const run = async () => (await executable.session()).run(inputs, outputs);
    const release = () => this.#executables.done(executable);
    if (this.#capture) {
      this.#capture.releases.push(release);
      this.#submit(run);
    } else {
      this.#enqueue(async () => {
        try {
          await run();
        } finally {
          release();
        }
      });
    }
  }

  /** Does a step in its turn, and writes it down for the capture under way. */
  #submit(step: Step): void {
    this.#capture?.steps.push(step);
    this.#enqueue(step);
  }

  #enqueue(step: Step): void {
    this.#pending++;
    this.#last = this.#last.then(async () => {
      try {
        if (!this.#failure) await step();
      } catch (error) {
        this.#failure = failureOf(error as Error);
      } finally {
        this.#pending--;
      }
    });
  }

  capture<T>(build: () => T, pooled?: CapturePool): Captured<T> {
    if (this.#capture) throw new Error('A function is already being captured.');
    this.flush();
    const shared = (pooled as SharedPool | undefined)?.buffers;
    const pool = shared ?? new BufferPool();
    this.#pools.add(pool);
    const outer = this.#pool;
    const capture = { steps: [] as Step[], releases: [] as (() => void)[] };
    this.#capture = capture;
    this.#pool = pool;
    const free = () => {
      for (const release of capture.releases) release();
      if (!shared) this.#pools.delete(pool);
    };
    try {
      const result = tidy(build as () => TensorContainer) as T;
      for (const tensor of tensor_util.getTensorsInContainer(result as TensorContainer)) keep(tensor);
      this.flush();
      return new OnnxCapture(result, capture.steps, pool, (step) => this.#enqueue(step), free);
    } catch (error) {
      this.#trace.reset();
      free();
      throw error;
    } finally {
      this.#capture = undefined;
      this.#pool = outer;
    }
  }

  capturePool(): CapturePool {
    const buffers = new BufferPool();
    this.#pools.add(buffers);
    return new SharedPool(buffers, () => this.#pools.delete(buffers));
  }

  /** @throws OnnxEngineError for a graph that ONNX Runtime refused or failed to run */
  async finish(): Promise<void> {
    this.flush();
    await this.#last;
    this.throwIfFailed();
  }

  throwIfFailed(): void {
    if (this.#failure) throw this.#failure;
  }

  trim(): void {
    this.flush();
    this.#pool.trim();
  }

  /** Releases compiled graphs that no capture uses. */
  trimGraphs(): void {
    this.#executables.trim();
  }

  /** Of tensors: ONNX Runtime's own memory comes on top, with weights that are only there. */
  memory(): { usedBytes: number; allocatedBytes: number } {
    const constants = [...this.#constants].filter(({ inMemory }) => inMemory);
    const constantBytes = constants.reduce((sum, { byteLength }) => sum + byteLength, 0);
    let [usedBytes, allocatedBytes] = [constantBytes, constantBytes];
    for (const pool of this.#pools) {
      usedBytes += pool.usedBytes;
      allocatedBytes += pool.bytes;
    }
    return { usedBytes, allocatedBytes };
  }

  /** Releases all graphs. Tensors are unusable afterwards. */
  async close(): Promise<void> {
    this.#trace.reset();
    await this.#last;
    this.#executables.trim();
  }
}

function failureOf(error: Error): Error {
  if (error instanceof OnnxEngineError) return error;
  return new OnnxEngineError('failed', `ONNX Runtime failed: ${error.message}`, { cause: error });
}

class SharedPool implements CapturePool {
  constructor(
    readonly buffers: BufferPool,
    private readonly forget: () => void,
  ) {}

  get bytes(): number {
    return this.buffers.bytes;
  }

  dispose(): void {
    this.forget();
  }
}

class OnnxCapture<T> implements Captured<T> {
  #disposed = false;

  constructor(
    readonly result: T,
    private readonly steps: readonly Step[],
    private readonly pool: BufferPool,
    private readonly enqueue: (step: Step) => void,
    private readonly free: () => void,
  ) {}

  get bytes(): number {
    return this.pool.bytes;
  }

  replay(): void {
    if (this.#disposed) throw new Error('This capture is disposed.');
    for (const step of this.steps) this.enqueue(step);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    dispose(this.result as TensorContainer);
    this.free();
  }
}
