import { LANE } from '../protocol.js';
import { drawLanes } from './draw.js';

/** Times of drawing all lanes of so many objects and frames, in milliseconds: for Diagnostics and the test of the budget. */
export function measureLanes(objects: number, frames: number): number[] {
  const canvas = document.createElement('canvas');
  canvas.width = 1130;
  canvas.height = objects * 28;
  const context = canvas.getContext('2d')!;
  const lanes = Array.from({ length: objects }, (_, object) => ({
    data: {
      object,
      states: Uint8Array.from({ length: frames }, (_, i) =>
        i % 400 === 0 ? LANE.anchor : i % 97 < 9 ? LANE.absent : LANE.tracked,
      ),
      confidence: Uint8Array.from({ length: frames }, (_, i) => 200 + 55 * Math.sin(i / 30 + object)),
    },
    colour: [86, 180, 233] as const,
    active: object === 0,
    stale: true,
  }));
  const colours = { line: '#a4acbb', faint: '#2c313b', danger: '#ff8a80', text: '#eef0f4', active: '#1d2a33' };
  return Array.from({ length: 40 }, () => {
    const began = performance.now();
    drawLanes(context, { lanes, stale: [[100, 300]], first: 0, perFrame: 1130 / frames, width: 1130, colours });
    return performance.now() - began;
  });
}
