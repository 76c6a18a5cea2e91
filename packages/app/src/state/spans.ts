import type { Direction, FrameSpan } from '../protocol.js';

/** How many frames, from the first to the last one, an edit has made stale. One that both directions would track counts once. */
export function staleFrames(
  stale: Readonly<Record<Direction, readonly FrameSpan[]>>,
  first = 0,
  last = Number.POSITIVE_INFINITY,
): number {
  const frames = new Set<number>();
  for (const [a, b] of [...stale.forward, ...stale.backward]) {
    for (let frame = Math.max(a, first); frame <= Math.min(b, last); frame++) frames.add(frame);
  }
  return frames.size;
}
