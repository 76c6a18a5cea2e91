import { type BackendValues, type DataType, KernelBackend } from '@tensorflow/tfjs-core';
import type { OnnxEngine } from './engine.js';
import type { Values } from './tensors.js';

/** The tensors of the engine as a backend of tfjs, so that models are written the same for every engine. */
export class OnnxBackend extends KernelBackend {
  constructor(readonly engine: OnnxEngine) {
    super();
  }

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    return this.engine.constant(valuesOf(values, dtype), shape);
  }

  override refCount(dataId: object): number {
    return this.engine.data(dataId).refs;
  }

  override incRef(dataId: object): void {
    this.engine.data(dataId).refs++;
  }

  override disposeData(dataId: object, force = false): boolean {
    const data = this.engine.data(dataId);
    data.refs--;
    if (!force && data.refs > 0) return false;
    this.engine.release(dataId);
    return true;
  }

  override async read(dataId: object): Promise<BackendValues> {
    const { shape, dtype } = this.engine.data(dataId);
    const bytes = await this.engine.read({ dataId, shape: [...shape], dtype });
    return dtype === 'int32' ? new Int32Array(bytes) : new Float32Array(bytes);
  }

  override numDataIds(): number {
    return this.engine.tensorCount;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false, numBytes: this.engine.memory().usedBytes } as { unreliable: boolean };
  }

  override timerAvailable(): boolean {
    return false;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}

function valuesOf(values: BackendValues, dtype: DataType): Values {
  if (dtype === 'int32')
    return values instanceof Int32Array ? (values as Values) : Int32Array.from(values as unknown as number[]);
  if (dtype === 'float32')
    return values instanceof Float32Array ? (values as Values) : Float32Array.from(values as unknown as number[]);
  throw new TypeError(`The CPU engine has tensors of float32 and int32, not of ${dtype}.`);
}
