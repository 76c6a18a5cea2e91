import type { RecordedStep } from './graph.js';
import type { Profile } from './profile.js';
import { flush, openPass, type PrivateBackend } from './tfjs.js';

/** Dispatches recorded before the command buffer is submitted; long batches cost latency, short ones CPU time. */
const BATCH = 48;
/**
 * Steps of a replay that are submitted first, and then at a time: the GPU begins while the rest is encoded, and no submit
 * keeps it for seconds.
 */
const FIRST_STEPS = 24;
const STEPS = 96;

/** Puts dispatches and copies into the backend's command stream, in order with those of stock operations. */
export class Recorder {
  /** Dispatches so far, replays included, copies not. Those of tfjs's own count in replays. */
  dispatchCount = 0;
  /** Where what is recorded is written down too, while a graph is captured. */
  captured: RecordedStep[] | undefined;
  /** Times each dispatch, in a pass of its own. */
  profile: Profile | undefined;

  constructor(
    private readonly backend: PrivateBackend,
    private readonly device: GPUDevice,
  ) {}

  record(step: RecordedStep): void {
    this.captured?.push(step);
    this.#encodeInto(this.backend, step);
  }

  #encodeInto(backend: PrivateBackend, step: RecordedStep): void {
    if ('source' in step) {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      backend.commandEncoder!.copyBufferToBuffer(step.source, 0, step.target, 0, step.size);
    } else if (this.profile) {
      backend.ensureCommandEncoderReady();
      backend.endComputePassEncoder();
      const pass = backend.commandEncoder!.beginComputePass(this.profile.next(step.name));
      encodeStep(pass, step);
      pass.end();
    } else {
      encodeStep(openPass(backend), step);
    }
    if (!('source' in step)) this.dispatchCount++;
    if (++backend.dispatchCountInPass >= BATCH) flush(backend);
  }

  /** Submits the steps of a captured graph, the first few ahead of the others. */
  replay(steps: readonly RecordedStep[]): void {
    flush(this.backend);
    if (this.profile) {
      for (const step of steps) this.#encodeInto(this.backend, step);
      flush(this.backend);
      return;
    }
    for (let first = 0, last = FIRST_STEPS; first < steps.length; first = last, last += STEPS) {
      // A rest of a few steps is not worth a submit.
      if (steps.length - last < FIRST_STEPS) last = steps.length;
      this.device.queue.submit([this.#encode(steps, first, Math.min(last, steps.length))]);
    }
  }

  #encode(steps: readonly RecordedStep[], first: number, last: number): GPUCommandBuffer {
    const encoder = this.device.createCommandEncoder();
    let pass: GPUComputePassEncoder | undefined;
    let pipeline: GPUComputePipeline | undefined;
    for (let i = first; i < last; i++) {
      const step = steps[i]!;
      if ('source' in step) {
        pass?.end();
        pass = undefined;
        pipeline = undefined;
        encoder.copyBufferToBuffer(step.source, 0, step.target, 0, step.size);
        continue;
      }
      pass ??= encoder.beginComputePass();
      if (step.pipeline !== pipeline) pass.setPipeline((pipeline = step.pipeline));
      pass.setBindGroup(0, step.bindGroup);
      pass.dispatchWorkgroups(step.workgroups[0], step.workgroups[1], step.workgroups[2]);
      this.dispatchCount++;
    }
    pass?.end();
    return encoder.finish();
  }
}

function encodeStep(
  pass: GPUComputePassEncoder,
  { pipeline, bindGroup, workgroups }: Extract<RecordedStep, { pipeline: unknown }>,
): void {
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
