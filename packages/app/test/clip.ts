import { encode } from 'fast-png';
import { zipSync } from 'fflate';

/** A clip of plain shapes, so small that everything is quick, and its true masks. */
export const CLIP = { width: 96, height: 64, frames: 24 } as const;

/** Red square (1), blue disc (2), green square (3): the colours that the toy detector knows. */
const COLOURS = { red: [220, 50, 47], blue: [38, 110, 230], green: [40, 170, 80] } as const;
const BACKGROUND = [120, 118, 112] as const;

/** Frames in which the disc is hidden. */
const GAP = [14, 16] as const;
/** Frame in which the green square comes in. */
const ENTRY = 9;

/** The object at a pixel of a frame. */
function truthAt(frame: number, x: number, y: number): 0 | 1 | 2 | 3 {
  const left = 8 + 2 * frame;
  if (x >= left && x < left + 16 && y >= 8 && y < 24) return 1;
  const hidden = frame >= GAP[0] && frame <= GAP[1];
  if (!hidden && (x - (80 - 2 * frame)) ** 2 + (y - 46) ** 2 < 81) return 2;
  const top = 64 - 3 * (frame - ENTRY) - 3;
  if (frame >= ENTRY && x >= 60 && x < 72 && y >= Math.max(30, top) && y < Math.max(30, top) + 12) return 3;
  return 0;
}

export function labels(frame: number): Uint8Array {
  const { width, height } = CLIP;
  return Uint8Array.from({ length: width * height }, (_, i) => truthAt(frame, i % width, Math.floor(i / width)));
}

/** Red, green and blue of a pixel of a frame. */
export const colourOf = (frame: number, x: number, y: number): readonly [number, number, number] =>
  [BACKGROUND, COLOURS.red, COLOURS.blue, COLOURS.green][truthAt(frame, x, y)]!;

export function picture(frame: number): Uint8Array {
  const { width, height } = CLIP;
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(colourOf(frame, i % width, Math.floor(i / width)), 3 * i);
  return encode({ width, height, data: rgb, channels: 3 });
}

/** A label PNG, grey: the value is the object. */
export const maskPng = (frame: number): Uint8Array =>
  encode({ width: CLIP.width, height: CLIP.height, data: labels(frame), channels: 1 });

const name = (frame: number) => `${String(frame).padStart(5, '0')}.png`;

/** The clip as a zip of PNGs. */
export const clipZip = (frames: number = CLIP.frames): Uint8Array =>
  zipSync(Object.fromEntries(Array.from({ length: frames }, (_, i) => [name(i), picture(i)])), {
    level: 0,
    // The same files make the same archive.
    mtime: '2000-01-01',
  });
