import { useEffect, useState } from 'preact/hooks';
import { engine } from '../state/engine.js';
import { sizeOf } from '../state/files.js';
import { capabilities, engineStatus, memory, source, tell } from '../state/view.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';

/** What helps to find out why something does not work. Nothing of it leaves the page unless it is copied. */
async function collect(): Promise<Record<string, unknown>> {
  const estimate = await navigator.storage?.estimate();
  const status = engineStatus.value;
  const { gpu, presenter, engine: kind } = capabilities.value ?? {};
  return {
    browser: navigator.userAgent,
    'secure context': isSecureContext,
    WebGPU: gpu ? (gpu.ok ? gpu.name : `none: ${gpu.reason}`) : 'not asked',
    engine: kind,
    'engine state': status.state === 'failed' ? `failed: ${status.failure.message}` : status.state,
    'drawn with': presenter,
    'video decoder': 'VideoDecoder' in globalThis,
    'video encoder': 'VideoEncoder' in globalThis,
    storage: estimate ? `${sizeOf(estimate.usage ?? 0)} of ${sizeOf(estimate.quota ?? 0)}` : 'unknown',
    'storage is kept': await navigator.storage?.persisted(),
    memory: memory.value && sizeOf(memory.value.usedBytes),
    video: source.value && `${source.value.width}x${source.value.height}, ${source.value.frameCount} frames`,
    snapshot: await engine()
      .snapshot()
      .catch(() => undefined),
  };
}

export default function DiagnosticsDialog() {
  const [found, setFound] = useState<Record<string, unknown>>({});
  useEffect(() => void collect().then(setFound), []);
  const text = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value));
  return (
    <Dialog
      title="Diagnostics"
      text
      footer={
        <Button
          icon="copy"
          label="Copy"
          onClick={async () => {
            await navigator.clipboard.writeText(JSON.stringify(found, null, 1));
            tell({ kind: 'info', message: 'Copied.' });
          }}
        >
          Copy
        </Button>
      }
    >
      <dl class="facts">
        {Object.entries(found)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{text(value)}</dd>
            </div>
          ))}
      </dl>
    </Dialog>
  );
}
