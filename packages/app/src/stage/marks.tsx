import type { Point } from '../protocol.js';
import { attempt, engine } from '../state/engine.js';
import {
  activeObject,
  brushRadius,
  hidden,
  keyboardCursor,
  objects,
  playing,
  presented,
  project,
  readOnly,
  tool,
} from '../state/view.js';
import { stageSize, toStage, viewport } from '../state/viewport.js';
import { hexOf } from '../ui/objects.js';
import { draft, pointerAt } from './gestures.js';

/** The mark that the pointer went down on. One that came under a resting finger meanwhile is not meant by what the finger does next. */
export const pressed: { mark: EventTarget | null } = { mark: null };

const path = (points: readonly Point[]) => points.map((at) => toStage(at).join(',')).join(' ');

/** The points and boxes that were given in the shown frame. */
function Given() {
  const frame = presented.value.frame;
  const shown = (project.value?.annotations ?? []).filter((at) => at.frame === frame && !hidden.value.has(at.object));
  return (
    <>
      {shown.map(({ object, points, labels, box }) => {
        const view = objects.value.find(({ id }) => id === object);
        const active = activeObject.value === object || activeObject.value === undefined;
        const colour = view ? hexOf(view.colour) : '#ffffff';
        return (
          <g key={object} class={active ? 'given' : 'given faint'}>
            {box && (
              <rect
                class="given-box"
                x={toStage([box[0], box[1]])[0]}
                y={toStage([box[0], box[1]])[1]}
                width={(box[2] - box[0]) * viewport.value.scale}
                height={(box[3] - box[1]) * viewport.value.scale}
                stroke={colour}
              />
            )}
            {points.map((at, i) => {
              const [x, y] = toStage(at);
              const on = labels[i] !== 0;
              const remove = () => !readOnly.value && attempt(() => engine().removePoint(frame, object, i));
              return (
                // biome-ignore lint/a11y/useSemanticElements: there are no buttons in SVG
                <g
                  key={i}
                  role="button"
                  tabIndex={0}
                  class={`mark ${on ? 'on' : 'off'}`}
                  transform={`translate(${x} ${y})`}
                  aria-label={`${on ? 'Plus' : 'Minus'} point ${i + 1} of ${view?.name}: remove`}
                  onPointerDown={(event) => {
                    event.stopPropagation();
                    pressed.mark = event.currentTarget;
                  }}
                  onClick={({ detail, currentTarget }) => {
                    // Assistive technology clicks without a pointer.
                    if (detail === 0 || pressed.mark === currentTarget) void remove();
                  }}
                  onKeyDown={(event) => {
                    if (event.key === 'Enter' || event.key === ' ' || event.key === 'Delete') {
                      event.preventDefault();
                      event.stopPropagation();
                      void remove();
                    }
                  }}
                >
                  <circle class="mark-target" r="14" />
                  <circle class="mark-dot" r="7" fill={on ? colour : '#14161b'} />
                  <path d={on ? 'M-3.500 0h7M0 -3.500v7' : 'M-3.500 0h7'} />
                </g>
              );
            })}
          </g>
        );
      })}
    </>
  );
}

/** What is being drawn. */
function Drawn() {
  const now = draft.value;
  if (!now) return null;
  const colour = objects.value.find(({ id }) => id === activeObject.value)?.colour;
  const stroke = colour ? hexOf(colour) : '#ffffff';
  if (now.kind === 'box') {
    const [[x0, y0], [x1, y1]] = [toStage(now.from), toStage(now.to)];
    return (
      <rect
        class="draft"
        x={Math.min(x0, x1)}
        y={Math.min(y0, y1)}
        width={Math.abs(x1 - x0)}
        height={Math.abs(y1 - y0)}
      />
    );
  }
  if (now.kind === 'polygon') {
    return (
      <>
        <polyline class="draft" points={path([...now.corners, now.cursor])} />
        {now.corners.map((at) => {
          const [x, y] = toStage(at);
          return <circle key={at.join()} class="corner" cx={x} cy={y} r="4" />;
        })}
      </>
    );
  }
  if (now.kind === 'hold') {
    const [x, y] = toStage(now.at);
    return <circle class="hold" cx={x} cy={y} r="26" />;
  }
  const width = now.tool === 'stroke' ? 4 : 2 * brushRadius.value * viewport.value.scale;
  const points = now.points.length === 1 ? [...now.points, now.points[0]!] : now.points;
  return (
    <polyline
      class={`painted ${now.tool}`}
      points={path(points)}
      stroke={now.tool === 'eraser' ? '#14161b' : stroke}
      stroke-width={width}
    />
  );
}

/** The brush's ring, and the keyboard's cursor. */
function Cursors() {
  const at = pointerAt.value;
  const brush = (tool.value === 'brush' || tool.value === 'eraser') && at && toStage(at);
  const keyboard = keyboardCursor.value && toStage(keyboardCursor.value);
  return (
    <>
      {brush && <circle class="ring" cx={brush[0]} cy={brush[1]} r={brushRadius.value * viewport.value.scale} />}
      {keyboard && (
        <g class="keyboard-cursor" transform={`translate(${keyboard[0]} ${keyboard[1]})`}>
          <circle r="13" />
          <path d="M-20 0h14M6 0h14M0 -20v14M0 6v14" />
        </g>
      )}
    </>
  );
}

/** Everything over the video that has the width of the screen's pixels, not of the video's. */
export function Marks() {
  const { width, height } = stageSize.value;
  return (
    <svg class="marks" width={width} height={height} aria-label="Prompts">
      {!playing.value && <Given />}
      <Drawn />
      <Cursors />
    </svg>
  );
}
