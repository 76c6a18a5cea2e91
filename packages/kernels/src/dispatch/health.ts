/** The GPU refused a command: an invalid shader, a binding over the limits, or no memory left. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}

/**
 * The device is gone: the driver crashed or was reset, the GPU was unplugged, or somebody destroyed the device. Every tensor
 * is lost with it; `initialize` makes a new runtime.
 */
export class DeviceLostError extends Error {
  override readonly name = 'DeviceLostError';
  constructor(
    readonly reason: GPUDeviceLostReason,
    message: string,
  ) {
    super(`The GPU device was lost (${reason}): ${message}`);
  }
}

/** What went wrong on a device: the first command that it refused, and whether it is still there. */
export class DeviceHealth {
  #failure: KernelError | undefined;
  #lost: DeviceLostError | undefined;
  #closed = false;
  /** Rejects what waits for the GPU. A lost device may leave it pending for ever. */
  readonly #waiting = new Set<(error: DeviceLostError) => void>();

  readonly #listener = ({ error }: GPUUncapturedErrorEvent): void => {
    this.#failure ??= new KernelError(error.message);
  };

  constructor(private readonly device: GPUDevice) {
    // One invalid pipeline voids its whole batch and every error after it is a consequence: only the first one counts.
    device.addEventListener('uncapturederror', this.#listener);
    device.lost.then(({ reason, message }) => {
      if (this.#closed) return;
      this.#lost = new DeviceLostError(reason, message);
      for (const reject of this.#waiting) reject(this.#lost);
    });
  }

  /** Announces that the device is about to be destroyed on purpose, which is then no loss. */
  close(): void {
    this.#closed = true;
    this.device.removeEventListener('uncapturederror', this.#listener);
  }

  get lost(): boolean {
    return this.#lost !== undefined;
  }

  throwIfLost(): void {
    if (this.#lost) throw this.#lost;
  }

  throwIfFailed(): void {
    this.throwIfLost();
    if (this.#failure) throw this.#failure;
  }

  /** Settles like `work`, but rejects with DeviceLostError once the device is gone. */
  async orLost<T>(work: Promise<T>): Promise<T> {
    let reject: (error: DeviceLostError) => void = () => {};
    const lost = new Promise<never>((_, no) => {
      reject = no;
    });
    this.#waiting.add(reject);
    try {
      return await Promise.race([work, lost]);
    } catch (error) {
      // Work of a lost device may fail just before the loss itself is announced.
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.throwIfLost();
      throw error;
    } finally {
      this.#waiting.delete(reject);
    }
  }
}
