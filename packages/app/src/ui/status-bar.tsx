import { sizeOf } from '../state/files.js';
import { capabilities, dialog, engineStatus, memory, run } from '../state/view.js';

function engineText(): string {
  const { gpu, engine: kind } = capabilities.value ?? {};
  const status = engineStatus.value;
  if (!gpu) return 'Starting';
  if (kind === 'none') return 'No GPU: view, paint and export';
  if (status.state === 'loading') return `Loading the tracker, ${Math.round(100 * status.fraction)} %`;
  if (status.state === 'failed') return `Tracker not loaded: ${status.failure.message}`;
  return gpu.ok ? gpu.name : 'On the processor';
}

const RUNS = { idle: 'Ready', running: 'Tracking', stopping: 'Stopping', paused: 'Paused', failed: 'Stopped' } as const;

/** How the engine is, and what it takes. */
export function StatusBar() {
  const used = memory.value;
  const budget = used?.budgetBytes;
  const state = capabilities.value?.engine === 'none' ? 'none' : engineStatus.value.state;
  return (
    <footer class="status" data-region="status">
      <button
        type="button"
        class="status-button"
        title="Diagnostics"
        onClick={() => {
          dialog.value = 'diagnostics';
        }}
      >
        <span class={`lamp ${state}`} />
        {RUNS[run.value.state]} · {engineText()}
      </button>
      {used && (
        <button
          type="button"
          class="status-button"
          title={`GPU ${sizeOf(used.gpuBytes)}, of it remembered frames ${sizeOf(used.rememberedBytes)}; frames ${sizeOf(used.frameBytes)}; masks ${sizeOf(used.maskBytes)}`}
          onClick={() => {
            dialog.value = 'settings';
          }}
        >
          Memory {sizeOf(used.usedBytes)}
          {budget && (
            <>
              {' '}
              of {sizeOf(budget)}
              <meter min={0} max={budget} value={used.usedBytes} aria-label="Memory used" />
            </>
          )}
        </button>
      )}
    </footer>
  );
}
