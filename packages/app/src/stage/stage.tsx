import { useEffect, useRef } from 'preact/hooks';
import type { Point } from '../protocol.js';
import { engine, stageCanvas } from '../state/engine.js';
import {
  activeView,
  announced,
  busy,
  frameCount,
  keyboardCursor,
  objects,
  playing,
  polarity,
  presented,
  project,
  source,
  toasts,
  tool,
} from '../state/view.js';
import { fit, followView, stageSize, viewport, zoomBy } from '../state/viewport.js';
import { Button } from '../ui/button.js';
import { stateOf } from '../ui/objects.js';
import { clickAt, closePolygon, draft, Gestures, panning } from './gestures.js';
import { Loupe } from './loupe.js';
import { Marks, pressed } from './marks.js';

/** How far the keyboard's cursor goes, in video pixels. */
const STEP = 4;

/** Fingers have neither a second button nor keys. */
const hasFingers = matchMedia('(pointer: coarse)');
const FINGER_HINT = 'Tap the object. A long press says what is not part of it; two fingers zoom';

const HINTS: Readonly<Record<string, string>> = {
  select: 'Click an object to choose it, drag to move the view',
  point: 'Click the object. Right-click, or Alt, says what is not part of it; Shift shows a preview',
  box: 'Drag a box around the object',
  stroke: 'Draw a line over the object',
  brush: 'Paint the mask',
  eraser: 'Erase from the mask of the chosen object',
  polygon: 'Click the corners; Enter, or the first corner, closes it',
};

function moveCursor(event: KeyboardEvent): boolean {
  const cursor = keyboardCursor.value;
  const { width, height } = source.value ?? {};
  if (!cursor || !width || !height) return false;
  const by = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
  if (by) {
    const far = event.shiftKey ? 10 * STEP : STEP;
    const next: Point = [
      Math.min(width - 1, Math.max(0, cursor[0] + by[0]! * far)),
      Math.min(height - 1, Math.max(0, cursor[1] + by[1]! * far)),
    ];
    keyboardCursor.value = next;
    void engine()
      .pick(next)
      .then((id) => {
        const over = objects.value.find((object) => object.id === id)?.name ?? 'background';
        announced.value = `${Math.round(next[0])}, ${Math.round(next[1])}: ${over}`;
      });
    return true;
  }
  if (event.key === 'Enter') {
    clickAt([cursor[0] + 0.5, cursor[1] + 0.5], event.altKey || polarity.value === 0);
    return true;
  }
  return false;
}

/** The switch between plus and minus: the only way on a touch screen, and a reminder elsewhere. */
function Polarity() {
  if (tool.value !== 'point') return null;
  return (
    <div class="polarity" role="radiogroup" aria-label="What a click says">
      {([1, 0] as const).map((value) => (
        <label key={value} class={value ? 'on' : 'off'} title={value ? 'On the object (X)' : 'Not part of it (X)'}>
          <input
            type="radio"
            name="polarity"
            checked={polarity.value === value}
            onChange={() => {
              polarity.value = value;
            }}
          />
          <span>{value ? '+ Add' : '− Remove'}</span>
        </label>
      ))}
    </div>
  );
}

/** The canvas is the engine's from the start; it is only ever moved and sized here. */
export function Stage() {
  const canvas = stageCanvas.value;
  const element = useRef<HTMLDivElement>(null);
  const gestures = useRef<Gestures | undefined>(undefined);

  useEffect(() => {
    element.current!.prepend(canvas);
    return () => canvas.remove();
  }, [canvas]);

  useEffect(() => {
    const stage = element.current!;
    gestures.current = new Gestures(stage);
    const measure = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = stage;
      if (width === 0 || height === 0) return;
      stageSize.value = { width, height };
      const dpr = globalThis.devicePixelRatio;
      void engine().resize(Math.round(width * dpr), Math.round(height * dpr));
    });
    measure.observe(stage);
    const stopFollowing = followView();
    const wheel = (event: WheelEvent) => gestures.current?.wheel(event);
    // A listener by attribute would be passive, and the page would scroll.
    stage.addEventListener('wheel', wheel, { passive: false });
    return () => {
      measure.disconnect();
      stopFollowing();
      stage.removeEventListener('wheel', wheel);
    };
  }, []);

  const active = activeView.value;
  const count = objects.value.length;
  const description = `Video, frame ${presented.value.frame} of ${frameCount.value}, ${count} object${count === 1 ? '' : 's'}${
    active ? `; chosen: ${active.name}, ${stateOf(active.id, presented.value.frame)}` : ''
  }. Q: cursor for the keyboard.`;
  const on = (kind: 'down' | 'move' | 'up' | 'cancel') => (event: PointerEvent) => gestures.current?.[kind](event);
  return (
    <section class="stage-area" aria-label="Video">
      <div
        ref={element}
        class={`stage tool-${tool.value} ${panning.value ? 'panning' : ''}`}
        data-region="stage"
        role="application"
        aria-label={description}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application is interactive
        tabIndex={0}
        onPointerDownCapture={() => {
          pressed.mark = null;
        }}
        onPointerDown={on('down')}
        onPointerMove={on('move')}
        onPointerUp={on('up')}
        onPointerCancel={on('cancel')}
        onPointerLeave={() => gestures.current?.leave()}
        onContextMenu={(event) => event.preventDefault()}
        onDblClick={closePolygon}
        onKeyDown={(event) => {
          if (moveCursor(event)) {
            event.preventDefault();
            event.stopPropagation();
          } else if (event.key === 'Enter' && draft.value?.kind === 'polygon') {
            event.preventDefault();
            closePolygon();
          }
        }}
      >
        <Marks />
        <Loupe canvas={canvas} />
      </div>
      {count === 0 && !playing.value && !busy.value && toasts.value.length === 0 && (
        <p class="stage-hint">{tool.value === 'point' && hasFingers.matches ? FINGER_HINT : HINTS[tool.value]}</p>
      )}
      {busy.value && (
        <p class="stage-busy" role="status">
          <span class="spinner" />
          {busy.value}
        </p>
      )}
      <div class="stage-controls">
        {project.value && !project.value.readOnly && <Polarity />}
        <div class="zoom">
          <Button icon="minus" kind="quiet" label="Zoom out (−)" onClick={() => zoomBy(0.8)} />
          <button type="button" class="zoom-value" title="Fit to the window (Shift+1)" onClick={fit}>
            {Math.round(100 * viewport.value.scale)} %
          </button>
          <Button icon="plus" kind="quiet" label="Zoom in (+)" onClick={() => zoomBy(1.25)} />
          <Button icon="fit" kind="quiet" label="Fit to the window (Shift+1)" onClick={fit} />
        </div>
      </div>
    </section>
  );
}
