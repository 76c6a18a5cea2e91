/** Time of one dispatch on the GPU. */
export interface DispatchTime {
  readonly name: string;
  readonly milliseconds: number;
}

/** Of timestamps, in a query set. */
const PAIRS = 2048;

/** Timestamps of dispatches. */
export class Profile {
  readonly #names: string[] = [];
  readonly #sets: GPUQuerySet[] = [];

  constructor(private readonly device: GPUDevice) {}

  next(name: string): GPUComputePassDescriptor {
    const index = this.#names.push(name) - 1;
    const slot = index % PAIRS;
    if (slot === 0) this.#sets.push(this.device.createQuerySet({ type: 'timestamp', count: PAIRS * 2 }));
    return {
      timestampWrites: {
        querySet: this.#sets.at(-1)!,
        beginningOfPassWriteIndex: slot * 2,
        endOfPassWriteIndex: slot * 2 + 1,
      },
    };
  }

  async read(): Promise<DispatchTime[]> {
    const times: DispatchTime[] = [];
    for (const [i, querySet] of this.#sets.entries()) {
      const count = Math.min(PAIRS, this.#names.length - i * PAIRS);
      const size = count * 16;
      const resolved = this.device.createBuffer({
        size,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      });
      const mapped = this.device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = this.device.createCommandEncoder();
      encoder.resolveQuerySet(querySet, 0, count * 2, resolved, 0);
      encoder.copyBufferToBuffer(resolved, 0, mapped, 0, size);
      this.device.queue.submit([encoder.finish()]);
      await mapped.mapAsync(GPUMapMode.READ);
      const stamps = new BigUint64Array(mapped.getMappedRange());
      for (let k = 0; k < count; k++) {
        const nanoseconds = Number(stamps[2 * k + 1]! - stamps[2 * k]!);
        times.push({ name: this.#names[i * PAIRS + k]!, milliseconds: nanoseconds / 1e6 });
      }
      for (const buffer of [resolved, mapped]) buffer.destroy();
      querySet.destroy();
    }
    return times;
  }
}
