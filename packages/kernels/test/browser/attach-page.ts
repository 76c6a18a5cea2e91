// What the browser test runs in a page that runs tfjs on WebGPU already.
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import { add, backend, ones, ready, setBackend, tensor } from '@tensorflow/tfjs-core';
import { attach, gemm, initialize, shutdown } from '../../src/index.js';

/** What the page reports. */
export interface AttachResult {
  /** What `initialize` says before the page's backend is attached. */
  refused: string;
  /** Whether the runtime has the page's device, and `initialize` gives the same runtime from then on. */
  shared: boolean;
  product: number[];
  /** Of a tensor that the page made before, after everything was shut down. */
  later: number[];
  /** Whether the page's device was lost. */
  lost: boolean;
}

async function attachToPage(): Promise<AttachResult> {
  await import('@tensorflow/tfjs-backend-webgpu');
  await setBackend('webgpu');
  await ready();
  const own = backend() as WebGPUBackend;
  let lost = false;
  own.device.lost.then(() => {
    lost = true;
  });
  const mine = tensor([1, 2]);
  const refused = await initialize().then(
    () => 'nothing',
    (error: Error) => error.name,
  );
  const runtime = await attach(own);
  const again = await initialize();
  const product = [...(await gemm(ones([2, 3]), ones([3, 4])).data())];
  const shared = runtime.device === own.device && again === runtime;
  shutdown(again);
  shutdown(runtime);
  const later = [...(await add(mine, 1).data())];
  return { refused, shared, product, later, lost };
}

Object.assign(globalThis, { attachToPage });
