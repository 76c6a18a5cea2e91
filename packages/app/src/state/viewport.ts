import { computed, effect, signal } from '@preact/signals';
import type { Point } from '../protocol.js';
import { report, viewLatest } from './engine.js';
import { activeObject, hidden, hoveredObject, opacity, project, showOriginal, source, viewMode } from './view.js';

/** The stage's size in CSS pixels. */
export const stageSize = signal({ width: 300, height: 150 });
/** Where the video is in it: CSS pixels a video pixel, and the video's upper left corner; fitted if undefined. */
const placed = signal<{ scale: number; left: number; top: number } | undefined>(undefined);

/** Space around a fitted video, in CSS pixels; on a narrow screen below it that of what lies over the stage. */
const MARGIN = 20;
const CONTROLS = 64;
const NARROW = 600;
const LEAST = 0.05;
const MOST = 40;

const fitted = computed(() => {
  const { width, height } = stageSize.value;
  const video = source.value;
  if (!video) return { scale: 1, left: 0, top: 0 };
  const margin = Math.min(MARGIN, width / 20);
  const below = width < NARROW && height > 4 * CONTROLS ? CONTROLS : margin;
  const room = height - margin - below;
  const scale = Math.min((width - 2 * margin) / video.width, room / video.height);
  return { scale, left: (width - scale * video.width) / 2, top: margin + (room - scale * video.height) / 2 };
});

export const viewport = computed(() => placed.value ?? fitted.value);

export function fit(): void {
  placed.value = undefined;
}

/** Changes the zoom; what is at a point of the stage stays there. */
export function zoomTo(scale: number, at?: Point): void {
  const { width, height } = stageSize.value;
  const [x, y] = at ?? [width / 2, height / 2];
  const before = viewport.value;
  const next = Math.min(MOST, Math.max(LEAST, scale));
  const ratio = next / before.scale;
  placed.value = { scale: next, left: x - (x - before.left) * ratio, top: y - (y - before.top) * ratio };
}

export const zoomBy = (factor: number, at?: Point) => zoomTo(viewport.value.scale * factor, at);

/** Moves the video, in CSS pixels; some of it stays in sight. */
export function panBy(dx: number, dy: number): void {
  const { scale, left, top } = viewport.value;
  const video = source.value;
  if (!video) return;
  const inside = (value: number, extent: number, room: number) =>
    Math.min(room - 40, Math.max(40 - extent * scale, value));
  placed.value = {
    scale,
    left: inside(left + dx, video.width, stageSize.value.width),
    top: inside(top + dy, video.height, stageSize.value.height),
  };
}

/** A point of the stage in video pixels. */
export const toVideo = ([x, y]: Point): Point => {
  const { scale, left, top } = viewport.value;
  return [(x - left) / scale, (y - top) / scale];
};

/** A point of the video in the stage's CSS pixels. */
export const toStage = ([x, y]: Point): Point => {
  const { scale, left, top } = viewport.value;
  return [x * scale + left, y * scale + top];
};

/** The nearest point inside of the video. */
export const clampToVideo = ([x, y]: Point): Point => {
  const { width = 1, height = 1 } = source.value ?? {};
  return [Math.min(width - 0.01, Math.max(0, x)), Math.min(height - 0.01, Math.max(0, y))];
};

// Another video is seen whole at first.
let size = '';
effect(() => {
  const video = source.value;
  const next = video ? `${video.name} ${video.width}x${video.height}` : '';
  if (next !== size) placed.value = undefined;
  size = next;
});

/** Keeps what the engine draws in step with what is asked for. */
export function followView(): () => void {
  return effect(() => {
    if (!project.value) return;
    const { scale, left, top } = viewport.value;
    const dpr = globalThis.devicePixelRatio;
    viewLatest(
      { scale: scale * dpr, left: left * dpr, top: top * dpr },
      {
        mode: showOriginal.value ? 'original' : viewMode.value,
        opacity: opacity.value,
        hidden: [...hidden.value],
        selected: activeObject.value,
        hovered: hoveredObject.value,
      },
    ).catch(report);
  });
}
