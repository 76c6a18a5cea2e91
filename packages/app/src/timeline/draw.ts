import type { FrameSpan, LaneData, Rgb } from '../protocol.js';
import { LANE } from '../protocol.js';

/** Height of a lane, of its state bar and of its confidence line, in CSS pixels. */
export const LANE_HEIGHT = 28;
const BAR = { top: 5, height: 8 };
const LINE = { top: 15, height: 9 };
/** Confidence below this is marked. */
const UNSURE = 128;

/** Colours of the timeline, as the theme has them. */
export interface TimelineColours {
  readonly line: string;
  readonly faint: string;
  readonly danger: string;
  readonly text: string;
  readonly active: string;
}

export interface LaneView {
  readonly data: LaneData;
  readonly colour: Rgb;
  readonly active: boolean;
  readonly stale: boolean;
}

export interface LanesScene {
  readonly lanes: readonly LaneView[];
  readonly stale: readonly FrameSpan[];
  /** First frame in sight, CSS pixels a frame, and the canvas's width in CSS pixels. */
  readonly first: number;
  readonly perFrame: number;
  readonly width: number;
  readonly colours: TimelineColours;
}

/** What a column of pixels says of the frames in it. */
interface Column {
  state: number;
  confidence: number;
  anchor: boolean;
}

/** The frames of a column together: the most that is there, and the least that is sure. */
function column({ states, confidence }: LaneData, from: number, to: number): Column {
  let state: number = LANE.unknown;
  let least = 255;
  let anchor = false;
  for (let frame = from; frame < to; frame++) {
    const now = states[frame]!;
    if (now === LANE.anchor) anchor = true;
    else if (now > state) state = now;
    if (now !== LANE.unknown && confidence[frame]! < least) least = confidence[frame]!;
  }
  return { state: state === LANE.unknown && anchor ? LANE.tracked : state, confidence: least, anchor };
}

/**
 * Draws lanes, each 28 pixels high, from the canvas's top. A bar for what is known: solid where the object is, a thin line where it is
 * not, nothing where nothing was computed, hatched where it is stale; diamonds where it was shown; below, how sure the tracker was.
 * @param context its unit is a CSS pixel
 */
export function drawLanes(context: CanvasRenderingContext2D, scene: LanesScene): void {
  const { lanes, first, perFrame, width, colours } = scene;
  const step = Math.max(1, perFrame);
  const hatch = hatching(context);
  for (const [row, { data, colour, active, stale }] of lanes.entries()) {
    const top = row * LANE_HEIGHT;
    const css = `rgb(${colour.join(' ')})`;
    if (active) {
      context.fillStyle = colours.active;
      context.fillRect(0, top, width, LANE_HEIGHT);
    }
    context.fillStyle = colours.faint;
    context.fillRect(0, top + LANE_HEIGHT - 1, width, 1);
    const anchors: number[] = [];
    const dips: number[] = [];
    const line = new Path2D();
    let drawing = false;
    let began = 0;
    let before: number = LANE.unknown;
    const bar = (until: number) => {
      if (before === LANE.tracked) {
        context.fillStyle = css;
        context.fillRect(began, top + BAR.top, until - began, BAR.height);
      } else if (before === LANE.absent) {
        context.fillStyle = colours.line;
        context.fillRect(began, top + BAR.top + BAR.height / 2 - 1, until - began, 1.5);
      }
    };
    for (let x = 0; x < width; x += step) {
      const from = Math.floor(first + x / perFrame + 1e-9);
      if (from >= data.states.length) break;
      const to = Math.min(data.states.length, Math.max(from + 1, Math.floor(first + (x + step) / perFrame + 1e-9)));
      const { state, confidence, anchor } = column(data, from, to);
      if (state !== before) {
        bar(x);
        began = x;
        before = state;
      }
      if (anchor) anchors.push(x + step / 2);
      if (state === LANE.unknown) {
        drawing = false;
        continue;
      }
      const y = top + LINE.top + LINE.height * (1 - confidence / 255);
      if (drawing) line.lineTo(x + step / 2, y);
      else line.moveTo(x + step / 2, y);
      drawing = true;
      if (confidence < UNSURE && dips.at(-1) !== x - step) dips.push(x);
      else if (confidence < UNSURE) dips[dips.length - 1] = x;
    }
    bar(Math.min(width, (data.states.length - first) * perFrame));
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.stroke(line);
    if (stale && hatch) {
      context.fillStyle = hatch;
      for (const [a, b] of scene.stale) {
        const [left, right] = [(a - first) * perFrame, (b + 1 - first) * perFrame];
        if (right > 0 && left < width) context.fillRect(left, top + BAR.top - 1, right - left, BAR.height + 2);
      }
    }
    // A dip has a shape, not only a colour.
    context.fillStyle = colours.danger;
    for (const x of dips) {
      context.beginPath();
      context.moveTo(x + step / 2 - 4, top + LANE_HEIGHT - 2);
      context.lineTo(x + step / 2 + 4, top + LANE_HEIGHT - 2);
      context.lineTo(x + step / 2, top + LANE_HEIGHT - 9);
      context.fill();
    }
    for (const x of anchors) diamond(context, x, top + BAR.top + BAR.height / 2, colours.text, css);
  }
}

function diamond(context: CanvasRenderingContext2D, x: number, y: number, edge: string, fill: string): void {
  context.beginPath();
  context.moveTo(x, y - 6);
  context.lineTo(x + 6, y);
  context.lineTo(x, y + 6);
  context.lineTo(x - 6, y);
  context.closePath();
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = edge;
  context.lineWidth = 1.5;
  context.stroke();
}

const patterns = new WeakMap<CanvasRenderingContext2D, CanvasPattern>();

/** Dark stripes over what was there. */
function hatching(context: CanvasRenderingContext2D): CanvasPattern | undefined {
  const known = patterns.get(context);
  if (known) return known;
  const tile = new OffscreenCanvas(8, 8);
  const pen = tile.getContext('2d')!;
  pen.strokeStyle = 'rgb(14 16 20 / 85%)';
  pen.lineWidth = 3;
  for (const at of [-8, 0, 8]) {
    pen.beginPath();
    pen.moveTo(at, 8);
    pen.lineTo(at + 8, 0);
    pen.stroke();
  }
  const pattern = context.createPattern(tile, 'repeat');
  if (pattern) patterns.set(context, pattern);
  return pattern ?? undefined;
}
