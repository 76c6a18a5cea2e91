/** Coordinates in options: "x,y", "x0,y0,x1,y1", and lists of them apart by blanks. */
import { UsageError } from '../command.js';

const words = (text: string): string[] => text.split(/[\s;]+/).filter(Boolean);

/** Numbers apart by commas. @throws UsageError */
export function numbers(option: string, text: string): number[] {
  return text.split(',').map((part) => {
    const value = part.trim() === '' ? Number.NaN : Number(part);
    if (!Number.isFinite(value)) throw new UsageError(`--${option} needs numbers apart by commas, not "${text}"`);
    return value;
  });
}

/** A line: "x,y x,y ...". @throws UsageError */
export function pointLine(option: string, text: string): [number, number][] {
  const list = words(text).map((word) => {
    const pair = numbers(option, word);
    if (pair.length !== 2) throw new UsageError(`--${option} takes "x,y" pairs, not "${word}"`);
    return pair as [number, number];
  });
  if (list.length === 0) throw new UsageError(`--${option} has no points`);
  return list;
}

/** Points on an object, "x,y" or "x,y,1", and beside it, "x,y,0". @throws UsageError */
export function labelledPoints(option: string, text: string): { point: [number, number]; label: number }[] {
  const list = words(text).map((word) => {
    const parts = numbers(option, word);
    const [x, y, label = 1] = parts;
    if (parts.length < 2 || parts.length > 3 || ![0, 1].includes(label)) {
      throw new UsageError(`--${option} takes "x,y", "x,y,1" and "x,y,0", not "${word}"`);
    }
    return { point: [x!, y!] as [number, number], label };
  });
  if (list.length === 0) throw new UsageError(`--${option} has no points`);
  return list;
}

/** A box, "x0,y0,x1,y1". @throws UsageError */
export function boxCorners(option: string, text: string): [number, number, number, number] {
  const corners = numbers(option, text);
  if (corners.length !== 4) throw new UsageError(`--${option} is X0,Y0,X1,Y1, not "${text}"`);
  return corners as [number, number, number, number];
}
