import { afterEach, describe, expect, it, vi } from 'vitest';
import type { DispatchTime } from '../dispatch/profile.js';
import type { Runtime } from '../dispatch/runtime.js';
import { deviceClock, type TimedKernel } from './clock.js';

/** A GPU whose dispatches take the times that they are given, one after the other. */
class FakeRuntime {
  dispatchCount = 0;
  readonly device: { features: ReadonlySet<string> };
  #recorded: DispatchTime[] = [];

  constructor(timestamps: boolean) {
    this.device = { features: new Set(timestamps ? ['timestamp-query'] : []) };
  }

  dispatch(milliseconds: number): void {
    this.dispatchCount++;
    this.#recorded.push({ name: 'kernel', milliseconds });
  }

  copy(): void {
    this.dispatchCount++;
  }

  async profile(work: () => void): Promise<DispatchTime[]> {
    this.#recorded = [];
    work();
    return this.#recorded;
  }

  async finish(): Promise<void> {}
}

const time = (runtime: FakeRuntime, kernels: readonly TimedKernel[], rounds: number) =>
  deviceClock(runtime as unknown as Runtime, kernels, rounds);

/** A kernel that notes when it runs. */
const kernel = (variant: string, order: string[], work: (run: number) => void = () => {}): TimedKernel => {
  let runs = 0;
  return {
    variant,
    run: () => {
      order.push(variant);
      work(runs++);
    },
  };
};

afterEach(() => vi.restoreAllMocks());

describe('deviceClock', () => {
  it('sums the dispatches of each kernel, in turns, and takes medians', async () => {
    const gpu = new FakeRuntime(true);
    const order: string[] = [];
    const one = kernel('a', order, (run) => gpu.dispatch([5, 1, 3][run]!));
    const two = kernel('b', order, (run) => {
      gpu.dispatch(10);
      gpu.dispatch([1, 100, 2][run]!);
    });
    expect(await time(gpu, [one, two], 3)).toEqual([3, 12]);
    expect(order.join('')).toBe('ababab');
  });

  it('takes the wall clock where a kernel copies, which has no timestamps', async () => {
    const gpu = new FakeRuntime(true);
    const order: string[] = [];
    const copying = kernel('a', order, () => {
      gpu.dispatch(1e9);
      gpu.copy();
    });
    const [milliseconds] = await time(gpu, [copying], 3);
    expect(milliseconds).toBeGreaterThan(0);
    expect(milliseconds).toBeLessThan(1e6);
  });

  it('takes the wall clock where the GPU has none, several runs a sample where they are short', async () => {
    const order: string[] = [];
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const takes = (milliseconds: number) => () => {
      now += milliseconds;
    };
    const kernels = [kernel('a', order, takes(4)), kernel('b', order, takes(1))];
    expect(await time(new FakeRuntime(false), kernels, 3)).toEqual([4, 1]);
    expect(order.join('')).toBe('ab'.concat('abbb'.repeat(3)));
  });
});
