import { useEffect, useRef } from 'preact/hooks';
import type { CandidateView } from '../protocol.js';
import { discovery } from '../state/discovery.js';
import { chosen, decide, reviewed } from '../state/review.js';
import { candidates, objects } from '../state/view.js';
import { Button } from './button.js';
import { Menu } from './menu.js';

function Thumb({ bitmap }: { bitmap: ImageBitmap }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext('2d')!;
    canvas.current!.width = bitmap.width;
    canvas.current!.height = bitmap.height;
    context.drawImage(bitmap, 0, 0);
  }, [bitmap]);
  return <canvas ref={canvas} />;
}

function Candidate({ candidate }: { candidate: CandidateView }) {
  const { key, label, score, frame, firstFrame, seen, share, thumb } = candidate;
  const name = label ?? `Candidate ${key}`;
  return (
    <li class={`candidate ${chosen.value?.key === key ? 'active' : ''}`}>
      <button type="button" class="candidate-show" onClick={() => reviewed({ key })}>
        <Thumb bitmap={thumb} />
        <span>
          <strong>{name}</strong>
          <span>
            {score !== undefined && `score ${score.toFixed(2)} · `}first seen in frame {firstFrame}
            {seen > 1 && `, ${seen} times`}
          </span>
          <span>
            {(100 * share).toFixed(1)} % of frame {frame}
          </span>
        </span>
      </button>
      <div class="candidate-actions">
        <Button icon="check" kind="primary" label={`Accept ${name} (A)`} onClick={() => decide('accept', key)}>
          Accept
        </Button>
        <Button label={`Reject ${name} (Del)`} onClick={() => decide('reject', key)}>
          Reject
        </Button>
        {objects.value.length > 0 && (
          <Menu
            label={`${name} is part of …`}
            icon="merge"
            items={objects.value.map(({ id, name: other }) => ({
              label: `It is ${other}`,
              icon: 'merge',
              run: () => decide({ merge: id }, key),
            }))}
          />
        )}
      </div>
    </li>
  );
}

/** New objects that were found while tracking, and wait for a decision. */
export function ReviewTab() {
  const found = discovery.value;
  const set = (part: Partial<typeof found>) => {
    discovery.value = { ...found, ...part };
  };
  return (
    <>
      <fieldset class="group">
        <legend>Look for new objects while tracking</legend>
        <div class="segments" role="radiogroup" aria-label="What to look for">
          {(
            [
              ['off', 'Off'],
              ['everything', 'Everything'],
              ['text', 'By text'],
            ] as const
          ).map(([kind, label]) => (
            <label key={kind}>
              <input type="radio" name="discovery" checked={found.kind === kind} onChange={() => set({ kind })} />
              <span>{label}</span>
            </label>
          ))}
        </div>
        {found.kind === 'text' && (
          <label class="row">
            <span>Text</span>
            <input
              class="field"
              value={found.text}
              placeholder="dog. person"
              onInput={(event) => set({ text: event.currentTarget.value })}
            />
          </label>
        )}
        {found.kind !== 'off' && (
          <>
            <label class="row">
              <span>Every</span>
              <input
                class="field short"
                type="number"
                min={1}
                max={1000}
                value={found.every}
                onChange={(event) => set({ every: Math.max(1, Number(event.currentTarget.value) || 10) })}
              />
              <span class="muted">frames</span>
            </label>
            <label class="row">
              <span>At least</span>
              <input
                class="field short"
                type="number"
                min={1}
                value={found.minArea}
                onChange={(event) => set({ minArea: Math.max(1, Number(event.currentTarget.value) || 200) })}
              />
              <span class="muted">pixels</span>
            </label>
            <label class="row">
              <input
                type="checkbox"
                checked={found.review}
                onChange={(event) => set({ review: event.currentTarget.checked })}
              />
              <span>Ask before they become objects</span>
            </label>
          </>
        )}
      </fieldset>
      {candidates.value.length === 0 ? (
        <div class="empty">
          <p>
            <strong>Nothing to review</strong>
          </p>
          <p>
            {found.kind === 'off'
              ? 'Switch discovery on, then track: what comes into view waits here for your decision.'
              : 'Track, and what comes into view waits here for your decision.'}
          </p>
        </div>
      ) : (
        <ul class="candidates" aria-label="Candidates">
          {candidates.value.map((candidate) => (
            <Candidate key={candidate.key} candidate={candidate} />
          ))}
        </ul>
      )}
    </>
  );
}
