import type { Runtime } from '@samtrack/kernels';

/** Names of what the run ran on, with the driver as the adapter describes it. */
export function describeAdapter({ info, adapterClass }: Runtime): Record<string, unknown> {
  const { vendor, architecture, device, description } = info;
  return { vendor, architecture, device, description, ...adapterClass };
}

/** A name for people, of what `describeAdapter` tells: browsers say little. */
export const adapterName = ({ description, device, architecture }: Readonly<Record<string, unknown>>): string =>
  String(description || device || architecture || 'adapter');
