import type { ViewMode } from '../protocol.js';
import { attempt, engine } from '../state/engine.js';
import { sizeOf } from '../state/files.js';
import { change, settings } from '../state/settings.js';
import { isRunning, memory, opacity, project, range, readOnly, viewMode } from '../state/view.js';
import { CommandButton } from './button.js';

const MODES: readonly (readonly [ViewMode, string])[] = [
  ['overlay', 'Overlay'],
  ['outline', 'Outline'],
  ['mask', 'Mask'],
  ['cutout', 'Cut-out'],
  ['original', 'Original'],
];

/** Of a memory gauge: its parts as shares of the whole. */
function Gauge() {
  const used = memory.value;
  if (!used) return null;
  const total = used.budgetBytes ?? Math.max(used.usedBytes, 1);
  const parts = [
    ['remembered frames', used.rememberedBytes, 'remembered'],
    ['weights and workspace', used.gpuBytes - used.rememberedBytes, 'weights'],
    ['frames', used.frameBytes, 'frames'],
    ['masks', used.maskBytes, 'masks'],
  ] as const;
  return (
    <div class="gauge">
      <svg
        viewBox="0 0 100 6"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${sizeOf(used.usedBytes)} of memory used`}
      >
        {
          parts.reduce<{ at: number; bars: preact.JSX.Element[] }>(
            ({ at, bars }, [, bytes, kind]) => ({
              at: at + (100 * bytes) / total,
              bars: [...bars, <rect key={kind} class={kind} x={at} y="0" width={(100 * bytes) / total} height="6" />],
            }),
            { at: 0, bars: [] },
          ).bars
        }
      </svg>
      {used.expectedBytes !== undefined && (
        <p class="muted">The run that began last needs {sizeOf(used.expectedBytes)} at its most.</p>
      )}
      <ul>
        {parts.map(([label, bytes, kind]) => (
          <li key={kind}>
            <span class={`swatch ${kind}`} />
            {label} <b>{sizeOf(bytes)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** How to track, and within what. */
export function TrackTab() {
  const [first, last] = range.value;
  const pending = project.value?.pending;
  const setBudget = (value: number) => {
    change({ memoryMB: value });
    void attempt(() => engine().budget(value || undefined));
  };
  return (
    <>
      <section class="group">
        <h3>Range</h3>
        <p class="muted">
          Frames {first} to {last}. <kbd>I</kbd> and <kbd>O</kbd> set the marks.
        </p>
        <div class="buttons">
          <CommandButton id="in">In</CommandButton>
          <CommandButton id="out">Out</CommandButton>
          <CommandButton id="clear-marks" kind="quiet">
            Clear
          </CommandButton>
        </div>
      </section>
      <section class="group">
        <h3>Step by step</h3>
        <div class="buttons">
          <CommandButton id="track-one-back" icon="backward" disabled={readOnly.value}>
            One frame
          </CommandButton>
          <CommandButton id="track-one" icon="forward" disabled={readOnly.value}>
            One frame
          </CommandButton>
        </div>
        <div class="buttons">
          <CommandButton id="pin" icon="pin" disabled={readOnly.value}>
            Keep as a reference
          </CommandButton>
          <CommandButton id="worst" icon="target">
            Least certain
          </CommandButton>
        </div>
        {pending && (
          <p class="muted">
            To do: {pending.forward} frames forward, {pending.backward} backward.
          </p>
        )}
      </section>
      <section class="group">
        <h3>View</h3>
        <div class="segments" role="radiogroup" aria-label="View">
          {MODES.map(([mode, label]) => (
            <label key={mode}>
              <input
                type="radio"
                name="mode"
                checked={viewMode.value === mode}
                onChange={() => {
                  viewMode.value = mode;
                }}
              />
              <span>{label}</span>
            </label>
          ))}
        </div>
        <label class="row">
          <span>Opacity</span>
          <input
            type="range"
            min={0}
            max={1}
            step={0.05}
            value={opacity.value}
            onInput={(event) => {
              opacity.value = Number(event.currentTarget.value);
            }}
          />
        </label>
      </section>
      <section class="group">
        <h3>Memory</h3>
        <Gauge />
        <label class="row">
          <span>Budget</span>
          <select
            class="field"
            value={String(settings.value.memoryMB)}
            disabled={readOnly.value || isRunning.value}
            onChange={(event) => setBudget(Number(event.currentTarget.value))}
          >
            <option value="0">no promise</option>
            {[200, 400, 600, 1000, 2000, 4000].map((megabytes) => (
              <option key={megabytes} value={String(megabytes)}>
                {sizeOf(megabytes * 1e6)}
              </option>
            ))}
          </select>
        </label>
        <p class="muted">Everything that the project takes stays below it; what is least needed is forgotten first.</p>
      </section>
    </>
  );
}
