import type { Telemetry } from 'bullmq';
import { FarmError } from '../errors.js';

export interface Traces {
  telemetry: Telemetry;
  /** Sends what is left. */
  close(): Promise<void>;
}

/**
 * Traces of submitting and running jobs, sent to an OpenTelemetry collector (OTLP over HTTP).
 * @param service how the process is called in there
 * @throws FarmError where the packages are not installed
 */
export async function openTraces(url: string, service: string): Promise<Traces> {
  const [
    { NodeTracerProvider, BatchSpanProcessor },
    { OTLPTraceExporter },
    { resourceFromAttributes },
    { BullMQOtel },
  ] = await Promise.all([
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('bullmq-otel'),
  ]).catch((cause) => {
    const packages = '@opentelemetry/sdk-trace-node @opentelemetry/exporter-trace-otlp-http bullmq-otel';
    throw new FarmError('not-found', '--traces', `needs npm install ${packages}`, { cause });
  });
  const provider = new NodeTracerProvider({
    resource: resourceFromAttributes({ 'service.name': service }),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url }))],
  });
  provider.register();
  return { telemetry: new BullMQOtel({ tracerName: 'samtrack' }), close: () => provider.shutdown().catch(() => {}) };
}
