import { useEffect, useRef } from 'preact/hooks';
import { stageSize } from '../state/viewport.js';
import { touching } from './gestures.js';

/** Diameter in CSS pixels, and how much larger things are in it. */
const SIZE = 116;
const ZOOM = 2;
/** From the finger's middle to the nearest edge. */
const GAP = 36;

/** What is under a finger that points at something, above the finger. */
export function Loupe({ canvas }: { canvas: HTMLCanvasElement }) {
  const lens = useRef<HTMLCanvasElement>(null);
  const at = touching.value;
  useEffect(() => {
    const context = at && lens.current?.getContext('2d');
    if (!context) return;
    const dpr = globalThis.devicePixelRatio;
    const reach = SIZE / ZOOM;
    const [x, y] = [at[0] - reach / 2, at[1] - reach / 2];
    context.fillStyle = getComputedStyle(lens.current!).backgroundColor;
    context.fillRect(0, 0, SIZE * dpr, SIZE * dpr);
    context.drawImage(canvas, x * dpr, y * dpr, reach * dpr, reach * dpr, 0, 0, SIZE * dpr, SIZE * dpr);
  }, [at, canvas]);
  if (!at) return null;
  const size = SIZE * globalThis.devicePixelRatio;
  const left = Math.min(Math.max(0, at[0] - SIZE / 2), stageSize.value.width - SIZE);
  const top = at[1] - GAP - SIZE >= 0 ? at[1] - GAP - SIZE : at[1] + GAP;
  return (
    <div class="loupe" aria-hidden="true" style={{ left: `${left}px`, top: `${top}px` }}>
      <canvas ref={lens} width={size} height={size} />
    </div>
  );
}
