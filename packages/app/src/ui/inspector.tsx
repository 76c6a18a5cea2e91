import { candidates, inspectorTab } from '../state/view.js';
import { ObjectsTab } from './objects.js';
import { ReviewTab } from './review.js';
import { TrackTab } from './track-tab.js';

const TABS = [
  ['objects', 'Objects', ObjectsTab],
  ['review', 'Review', ReviewTab],
  ['track', 'Tracking', TrackTab],
] as const;

export function Inspector() {
  const move = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const at = TABS.findIndex(([name]) => name === inspectorTab.value);
    const [next] = TABS[(at + by + TABS.length) % TABS.length]!;
    inspectorTab.value = next;
    document.getElementById(`tab-${next}`)?.focus();
  };
  const waiting = candidates.value.length;
  const [, , Tab] = TABS.find(([name]) => name === inspectorTab.value)!;
  return (
    <aside class="inspector" data-region="inspector" aria-label="Objects and tracking">
      <div class="tabs" role="tablist" aria-label="Inspector" onKeyDown={move}>
        {TABS.map(([name, label]) => (
          <button
            key={name}
            id={`tab-${name}`}
            type="button"
            role="tab"
            aria-selected={inspectorTab.value === name}
            aria-controls="inspector-panel"
            tabIndex={inspectorTab.value === name ? 0 : -1}
            onClick={() => {
              inspectorTab.value = name;
            }}
          >
            {label}
            {name === 'review' && waiting > 0 && <span class="badge">{waiting}</span>}
          </button>
        ))}
      </div>
      <div id="inspector-panel" class="panel" role="tabpanel" aria-labelledby={`tab-${inspectorTab.value}`}>
        <Tab />
      </div>
    </aside>
  );
}
