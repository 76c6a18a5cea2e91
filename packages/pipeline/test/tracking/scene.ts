import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encode } from 'fast-png';
import { DEAOT_T_MANIFEST, deaotManifest } from '../../../models/test/fixtures/deaot/manifest.js';
import { encodeLabelPng, type Frame, type LabelMap } from '../../src/io/index.js';

/** File with DeAOT-T's procedural weights. */
export const DEAOT_T_WEIGHTS = fileURLToPath(DEAOT_T_MANIFEST);

/** Writes the recipe of DeAOT-L's procedural weights. */
export function writeDeaotL(folder: string): string {
  const path = join(folder, 'deaot-l.manifest.json');
  writeFileSync(path, JSON.stringify(deaotManifest({ layers: 3 })));
  return path;
}

export interface Size {
  width: number;
  height: number;
}

/** A picture of moving waves. */
export function pixel(index: number, x: number, y: number): [number, number, number] {
  const wave = (c: number) => 128 + 100 * Math.sin((x + 2 * index) / (5 + c) + (y - index) / (9 - 2 * c));
  return [wave(0), wave(1), wave(2)];
}

export function makeFrame(index: number, { width, height }: Size): Frame {
  const rgba = new Uint8Array(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(pixel(index, i % width, Math.floor(i / width)), i * 4);
  return { index, time: index / 24, name: String(index).padStart(5, '0'), width, height, rgba };
}

/** Two objects: a block at the left, one at the right. */
export function makeMask({ width, height }: Size, objects = 2): LabelMap {
  const data = new Uint16Array(width * height);
  for (let i = 0; i < data.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (y > height / 4 && y < (3 * height) / 4) data[i] = x < width / 3 ? 1 : x > (2 * width) / 3 ? objects : 0;
  }
  return { width, height, data };
}

/** Writes frames as `<folder>/00000.png` and on. */
export function writeFrames(folder: string, count: number, size: Size): string {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const { name, rgba: data } = makeFrame(i, size);
    writeFileSync(join(folder, `${name}.png`), encode({ ...size, data, channels: 4, depth: 8 }));
  }
  return folder;
}

export function writeMask(path: string, map: LabelMap): string {
  writeFileSync(path, encodeLabelPng(map));
  return path;
}
