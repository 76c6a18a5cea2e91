/** Sizes of read-back buffers kept; a frame of tracking reads one or two. */
const MAX_STAGING_SIZES = 32;

/** Reads buffers of the GPU through mappable ones, which are kept for the next read of their size. */
export class ReadBack {
  readonly #idle = new Map<number, GPUBuffer[]>();

  constructor(private readonly device: GPUDevice) {}

  /**
   * The contents of a buffer as the commands submitted so far leave them.
   * @param settle Waits for the GPU; what it throws is thrown.
   */
  async read(source: GPUBuffer, settle: (mapped: Promise<void>) => Promise<void>): Promise<ArrayBuffer> {
    const staging =
      this.#idle.get(source.size)?.pop() ??
      this.device.createBuffer({ size: source.size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, staging, 0, source.size);
    this.device.queue.submit([encoder.finish()]);
    await settle(staging.mapAsync(GPUMapMode.READ));
    const copy = staging.getMappedRange().slice(0);
    staging.unmap();
    this.#keep(staging);
    return copy;
  }

  /** Keeps a buffer; of many sizes, those read longest ago are destroyed. */
  #keep(buffer: GPUBuffer): void {
    const idle = this.#idle.get(buffer.size) ?? [];
    this.#idle.delete(buffer.size);
    this.#idle.set(buffer.size, [...idle, buffer]);
    if (this.#idle.size > MAX_STAGING_SIZES) this.#destroy(this.#idle.keys().next().value!);
  }

  #destroy(size: number): void {
    for (const buffer of this.#idle.get(size) ?? []) buffer.destroy();
    this.#idle.delete(size);
  }

  /** Destroys the buffers that no read is using. */
  trim(): void {
    for (const size of [...this.#idle.keys()]) this.#destroy(size);
  }
}
