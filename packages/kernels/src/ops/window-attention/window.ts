import { defineKernel, type Kernel, type KernelTensors, type KernelUniforms } from '../../dispatch/kernel.js';
import type { Runtime } from '../../dispatch/runtime.js';
import type { WgslParams } from '../../wgsl/index.js';
import windowWgsl from './window.wgsl';

/** The geometry of windows with everything resolved: what the choice of a kernel depends on. */
export interface WindowShape {
  /** Size of the image in tokens. */
  height: number;
  width: number;
  /** Side of a window, and by how much windows are moved. */
  window: number;
  shift: number;
  heads: number;
  headSize: number;
}

export const windowWork = ({ height, width, window, heads, headSize }: WindowShape) => ({
  flops: 4 * height * width * window ** 2 * heads * headSize,
  bytes: 16 * height * width * heads * headSize,
});

/** Declares a kernel of attention within windows, an invocation a query. */
export const windowKernel = (name: string, params: WgslParams): Kernel =>
  defineKernel({ name, template: windowWgsl, params });

/** Records such a kernel. */
export function launchWindow(
  runtime: Runtime,
  kernel: Kernel,
  { height, width, window, shift, heads, headSize }: WindowShape,
  launch: { params: WgslParams; tensors: KernelTensors; uniforms?: KernelUniforms },
): void {
  const windowsX = Math.ceil(width / window);
  const windowsY = Math.ceil(height / window);
  runtime.launch(kernel, {
    params: { HEAD4: headSize / 4, ...launch.params },
    tensors: launch.tensors,
    uniforms: {
      height,
      width,
      windowsX,
      gridHeight: windowsY * window,
      gridWidth: windowsX * window,
      window,
      shift,
      c4: (heads * headSize) / 4,
      scale: 1 / Math.sqrt(headSize),
      ...launch.uniforms,
    },
    workgroups: [windowsX * windowsY, heads, Math.ceil((window * window) / 64)],
  });
}
