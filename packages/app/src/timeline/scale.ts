import { computed, effect, signal } from '@preact/signals';
import { frameCount, isRunning, playhead, playing } from '../state/view.js';

/** Width of the lanes in CSS pixels. */
export const laneWidth = signal(800);
/** CSS pixels a frame, as far as the user has zoomed; fitted if undefined. */
const zoomed = signal<number | undefined>(undefined);
const scrolled = signal(0);

const MOST = 24;

export const perFrame = computed(() => {
  const fitted = laneWidth.value / Math.max(1, frameCount.value);
  return Math.max(fitted, zoomed.value ?? 0);
});

/** Frames in sight. */
const room = computed(() => laneWidth.value / perFrame.value);

/** First frame in sight; may lie between two. */
export const firstFrame = computed(() =>
  Math.min(Math.max(0, scrolled.value), Math.max(0, frameCount.value - room.value)),
);

export const toX = (frame: number) => (frame - firstFrame.value) * perFrame.value;
export const toFrame = (x: number) =>
  Math.max(0, Math.min(frameCount.value - 1, Math.floor(firstFrame.value + x / perFrame.value)));

/** Changes the zoom; the frame at a place stays there. */
export function zoomTime(factor: number, x: number): void {
  const at = firstFrame.value + x / perFrame.value;
  const fitted = laneWidth.value / Math.max(1, frameCount.value);
  const next = Math.min(MOST, perFrame.value * factor);
  zoomed.value = next <= fitted ? undefined : next;
  scrolled.value = at - x / perFrame.value;
}

export function fitTime(): void {
  zoomed.value = undefined;
}

export function scrollTime(pixels: number): void {
  scrolled.value = firstFrame.value + pixels / perFrame.value;
}

// What plays or runs stays in sight.
effect(() => {
  const frame = playhead.value;
  if (!playing.value && !isRunning.value) return;
  const first = firstFrame.peek();
  if (frame < first || frame >= first + room.peek()) scrolled.value = frame - room.peek() / 10;
});

/** A distance between two labels of the ruler that is round, and wide enough. */
export function tickEvery(width: number): number {
  const least = width / perFrame.value;
  for (let unit = 1; ; unit *= 10) {
    for (const factor of [1, 2, 5]) if (unit * factor >= least) return unit * factor;
  }
}
