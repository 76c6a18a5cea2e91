// Everything that is exported, used once: what a `.d.ts` names must resolve.
import * as kernels from '@samtrack/kernels';
import * as takes from '@samtrack/kernels/arguments';
import * as tuning from '@samtrack/kernels/tuning';
import * as models from '@samtrack/models';
import * as checkpoint from '@samtrack/models/checkpoint';
import * as masks from '@samtrack/models/masks';
import * as verify from '@samtrack/models/verify';
import * as onnx from '@samtrack/onnx';
import * as weights from '@samtrack/weights';
import * as samtrack from 'samtrack';
import * as discovery from 'samtrack/discovery';
import * as exports from 'samtrack/export';
import * as io from 'samtrack/io';
import * as metrics from 'samtrack/metrics';

export const modules = [
  kernels,
  takes,
  tuning,
  models,
  checkpoint,
  masks,
  verify,
  onnx,
  weights,
  samtrack,
  discovery,
  exports,
  io,
  metrics,
];

export async function trackVideo(input: samtrack.SourceInput, firstMask: samtrack.LabelMap): Promise<number> {
  const source: samtrack.FrameSource = await samtrack.openSource(input);
  const tracker = await samtrack.VideoTracker.load({ model: 'deaot-t', weights: 'x.safetensors', memoryMB: 200 });
  const device: string = tracker.device;
  let pixels = device.length;
  for await (const { frame, labels } of samtrack.track({ source, tracker, firstMask })) {
    pixels += labels.data[0]! + frame.width;
  }
  return pixels;
}

export async function launch(): Promise<GPUDevice> {
  const runtime: kernels.Runtime = await kernels.initialize({ adapter: 'llvmpipe' });
  return runtime.device;
}

/** What programs have of their users, who may have said nothing. */
interface Wishes {
  readonly weights: string | undefined;
  readonly memoryMB: number | undefined;
  readonly threads: number | undefined;
  readonly onProgress: ((progress: samtrack.LoadProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

export async function propagate(file: string, { threads, memoryMB, signal, ...wishes }: Wishes): Promise<number> {
  await using st = await samtrack.SamTrack.load({ ...wishes, signal, cpu: { threads } });
  const session = await st.open(file, { memoryMB, project: undefined });
  await session.prompt({ frame: 0, object: 'cup', points: [[320, 200]], labels: undefined, signal });
  let pixels = 0;
  for await (const { mask } of session.propagate({ direction: 'forward', from: undefined, signal }))
    pixels += mask.width;
  return pixels;
}
