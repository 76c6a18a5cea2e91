import { initializeCpu, type OnnxEngine } from '@samtrack/onnx';
import { getBackend, setBackend } from '@tensorflow/tfjs-core';

/** SAMTrack's engine for machines without a GPU, beside the GPU's: tfjs has one backend at a time. */
export class CpuEngine {
  private constructor(
    private readonly engine: OnnxEngine,
    private readonly backend: string,
  ) {}

  /** Nothing where ONNX Runtime is not installed. */
  static async open(): Promise<CpuEngine | undefined> {
    const before = getBackend();
    try {
      const engine = await initializeCpu();
      return new CpuEngine(engine, getBackend());
    } catch {
      return undefined;
    } finally {
      await setBackend(before);
    }
  }

  /** Does work with this engine as the current one. */
  async run<T>(work: (engine: OnnxEngine) => T | Promise<T>): Promise<T> {
    const before = getBackend();
    await setBackend(this.backend);
    try {
      return await work(this.engine);
    } finally {
      await setBackend(before);
    }
  }
}
