import type { Runtime } from '@samtrack/kernels';

/** Names of what the run ran on, with the driver as the adapter describes it. */
export function describeAdapter({ info, adapterClass }: Runtime): Record<string, unknown> {
  const { vendor, architecture, device, description } = info;
  return { vendor, architecture, device, description, ...adapterClass };
}
