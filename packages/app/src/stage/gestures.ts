import { signal } from '@preact/signals';
import type { Point } from '../protocol.js';
import { dropPreview, give, paint, promptFor, selectObject } from '../state/actions.js';
import { engine, previewLatest, report } from '../state/engine.js';
import {
  brushRadius,
  hoveredObject,
  isRunning,
  keyboardCursor,
  playing,
  polarity,
  readOnly,
  tell,
  tool,
} from '../state/view.js';
import { clampToVideo, panBy, toVideo, viewport, zoomBy } from '../state/viewport.js';

/** What is being drawn, in video pixels. */
export type Draft =
  | { readonly kind: 'box'; readonly from: Point; readonly to: Point }
  | { readonly kind: 'line'; readonly points: readonly Point[]; readonly tool: 'stroke' | 'brush' | 'eraser' }
  | { readonly kind: 'polygon'; readonly corners: readonly Point[]; readonly cursor: Point }
  /** A finger that is held down: becomes a minus. */
  | { readonly kind: 'hold'; readonly at: Point };

export const draft = signal<Draft | undefined>(undefined);
/** Where the pointer is over the video, in video pixels. */
export const pointerAt = signal<Point | undefined>(undefined);
/** Where a finger points at something, in the stage's CSS pixels. */
export const touching = signal<Point | undefined>(undefined);
/** While Space is held, a drag pans whatever the tool is; if it did, Space does not play. */
export const panning = signal(false);
export const panned = { value: false };

/** A press shorter than this is a click, in CSS pixels. */
const SLOP = 4;
/** How long a finger rests for a minus, in milliseconds. */
const HOLD_MS = 450;
/** Most points of a line that is sent. */
const MOST_POINTS = 2000;

const distance = ([x0, y0]: Point, [x1, y1]: Point) => Math.hypot(x1 - x0, y1 - y0);

/** Gives a point: plus, or minus. */
export function clickAt(at: Point, negative: boolean): void {
  if (playing.value) {
    engine().pause();
    return;
  }
  if (readOnly.value) {
    tell({ kind: 'warning', message: 'Another tab is working on this project.', action: 'takeOver' });
    return;
  }
  void give({ points: [clampToVideo(at)], labels: [negative ? 0 : 1] });
}

/** Ends a polygon that has enough corners. */
export function closePolygon(): void {
  const now = draft.value;
  draft.value = undefined;
  if (now?.kind === 'polygon' && now.corners.length >= 3) void give({ polygon: now.corners.map(clampToVideo) });
}

/** Everything that pointers do on the stage. */
export class Gestures {
  readonly #pointers = new Map<number, Point>();
  #began: { at: Point; tool: string; negative: boolean; pan: boolean; moved: boolean } | undefined;
  #holding: ReturnType<typeof setTimeout> | undefined;
  #held = false;

  constructor(private readonly element: HTMLElement) {}

  #at(event: PointerEvent | WheelEvent | MouseEvent): Point {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  down(event: PointerEvent): void {
    const at = this.#at(event);
    this.#pointers.set(event.pointerId, at);
    this.element.setPointerCapture(event.pointerId);
    keyboardCursor.value = undefined;
    if (this.#pointers.size === 2) {
      this.#cancel();
      return;
    }
    if (this.#pointers.size > 2) return;
    const negative = event.button === 2 || event.altKey || event.ctrlKey || event.metaKey ? true : polarity.value === 0;
    const pan = event.button === 1 || panning.value || (tool.value === 'select' && event.button === 0);
    this.#began = { at, tool: tool.value, negative, pan, moved: false };
    this.#held = false;
    if (panning.value) panned.value = true;
    if (pan || playing.value) return;
    if (event.pointerType === 'touch') touching.value = at;
    const point = clampToVideo(toVideo(at));
    if (event.pointerType === 'touch' && tool.value === 'point') {
      draft.value = { kind: 'hold', at: point };
      this.#holding = setTimeout(() => {
        this.#held = true;
        draft.value = undefined;
        clickAt(point, polarity.value === 1);
      }, HOLD_MS);
    }
    if (event.button !== 0) return;
    if (tool.value === 'box') draft.value = { kind: 'box', from: point, to: point };
    else if (tool.value === 'stroke' || tool.value === 'brush' || tool.value === 'eraser') {
      const eraser = event.pointerType === 'pen' && (event.buttons & 32) !== 0;
      draft.value = { kind: 'line', points: [point], tool: eraser ? 'eraser' : tool.value };
    }
  }

  move(event: PointerEvent): void {
    const at = this.#at(event);
    const before = this.#pointers.get(event.pointerId);
    pointerAt.value = toVideo(at);
    if (!before) {
      this.#hover(event);
      return;
    }
    if (this.#pointers.size === 2) {
      this.#pinch(event.pointerId, before, at);
      return;
    }
    this.#pointers.set(event.pointerId, at);
    const began = this.#began;
    if (!began) return;
    if (distance(at, began.at) > SLOP) began.moved = true;
    if (began.moved && this.#holding) this.#stopHolding();
    const touchPans = event.pointerType === 'touch' && began.tool === 'point';
    if (touching.value) touching.value = touchPans && began.moved ? undefined : at;
    if (began.pan || (touchPans && began.moved && !this.#held)) {
      panBy(at[0] - before[0], at[1] - before[1]);
      return;
    }
    const now = draft.value;
    if (now?.kind === 'box') draft.value = { ...now, to: clampToVideo(toVideo(at)) };
    else if (now?.kind === 'line') {
      const events = event.getCoalescedEvents?.() ?? [];
      const added = (events.length > 0 ? events : [event]).map((one) => clampToVideo(toVideo(this.#at(one))));
      const points = [...now.points, ...added];
      draft.value = { ...now, points: points.length > MOST_POINTS ? points.filter((_, i) => i % 2 === 0) : points };
    }
  }

  up(event: PointerEvent): void {
    const at = this.#at(event);
    this.#pointers.delete(event.pointerId);
    touching.value = undefined;
    const began = this.#began;
    this.#began = undefined;
    this.#stopHolding();
    if (!began || this.#pointers.size > 0) return;
    const now = draft.value;
    const point = toVideo(at);
    if (began.pan) {
      if (!began.moved && began.tool === 'select') void this.#pick(point);
      return;
    }
    if (now?.kind === 'box') {
      draft.value = undefined;
      const box = [
        Math.min(now.from[0], now.to[0]),
        Math.min(now.from[1], now.to[1]),
        Math.max(now.from[0], now.to[0]),
        Math.max(now.from[1], now.to[1]),
      ] as const;
      if (began.moved && box[2] - box[0] >= 1 && box[3] - box[1] >= 1) void give({ box });
      return;
    }
    if (now?.kind === 'line') {
      if (now.tool === 'stroke') {
        draft.value = undefined;
        if (began.moved) void give({ stroke: now.points });
        else clickAt(point, began.negative);
      } else {
        // The line stays in sight until the mask has it.
        void paint(now.points, brushRadius.value, now.tool === 'eraser').then(() => {
          if (draft.value === now) draft.value = undefined;
        });
      }
      return;
    }
    if (began.tool === 'polygon') {
      if (event.button === 0 && !began.moved) this.#corner(clampToVideo(point));
      return;
    }
    draft.value = undefined;
    if (began.tool === 'point' && !began.moved && !this.#held) clickAt(point, began.negative);
  }

  cancel(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    this.#cancel();
  }

  leave(): void {
    pointerAt.value = undefined;
    if (this.#pointers.size === 0) dropPreview();
  }

  wheel(event: WheelEvent): void {
    event.preventDefault();
    if (event.shiftKey && !event.ctrlKey) panBy(-event.deltaX - event.deltaY, 0);
    else zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), this.#at(event));
  }

  /** With Shift, what a click would give is shown before it is made. */
  #hover(event: PointerEvent): void {
    const now = draft.value;
    const at = toVideo(this.#at(event));
    if (now?.kind === 'polygon') draft.value = { ...now, cursor: clampToVideo(at) };
    if (event.pointerType !== 'mouse' || isRunning.value) return;
    if (event.shiftKey && tool.value === 'point') {
      const label = polarity.value;
      previewLatest(promptFor({ points: [clampToVideo(at)], labels: [label] })).catch(() => {
        // There may be nothing under the pointer, or no model yet: the click will say so.
      });
    } else if (tool.value === 'select') {
      engine()
        .pick(at)
        .then((id) => {
          hoveredObject.value = id || undefined;
        })
        .catch(report);
    }
  }

  #pinch(id: number, before: Point, at: Point): void {
    const [other] = [...this.#pointers].find(([key]) => key !== id) ?? [];
    const still = other === undefined ? undefined : this.#pointers.get(other);
    this.#pointers.set(id, at);
    if (!still) return;
    const middle = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const [was, is] = [middle(before, still), middle(at, still)];
    panBy(is[0] - was[0], is[1] - was[1]);
    const apart = distance(before, still);
    if (apart > 0) zoomBy(distance(at, still) / apart, is);
  }

  #corner(at: Point): void {
    const now = draft.value?.kind === 'polygon' ? draft.value : undefined;
    const [first] = now?.corners ?? [];
    const near = (a: Point, b: Point) => distance(a, b) * viewport.value.scale < 10;
    const last = now?.corners.at(-1);
    if (now && now.corners.length >= 3 && first && (near(first, at) || (last && near(last, at)))) closePolygon();
    else draft.value = { kind: 'polygon', corners: [...(now?.corners ?? []), at], cursor: at };
  }

  async #pick(at: Point): Promise<void> {
    const id = await engine().pick(at);
    selectObject(id || undefined);
  }

  #stopHolding(): void {
    clearTimeout(this.#holding);
    this.#holding = undefined;
    if (draft.value?.kind === 'hold') draft.value = undefined;
  }

  #cancel(): void {
    this.#stopHolding();
    touching.value = undefined;
    this.#began = undefined;
    if (draft.value?.kind !== 'polygon') draft.value = undefined;
  }
}
