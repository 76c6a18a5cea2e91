/** The small SAM 2.1 of the fixture, and its video. */
import { fileURLToPath } from 'node:url';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/index.js';
import type { Sam2LoadOptions } from '../../src/sam2/model.js';
import { Sam2Model } from '../../src/sam2/model.js';

const path = (name: string) => fileURLToPath(new URL(`../fixtures/sam2/${name}`, import.meta.url));

/** What was run with it, and what the published implementation computed. */
export const MINI_FILES = { manifest: path('sam2-mini.manifest.json'), taps: path('sam2-mini.taps.safetensors') };

export const openMini = (): Promise<Checkpoint> => openCheckpoint(MINI_FILES.manifest);

export const MINI_CONFIG = {
  imageSize: 128,
  embed: 32,
  heads: 1,
  stages: [1, 2, 3, 2],
  global: [4],
  windows: [8, 4, 6, 3],
  memoryLayers: 2,
  memoryHidden: 512,
} as const;

export async function loadMini(options: Sam2LoadOptions = {}): Promise<Sam2Model> {
  const checkpoint = await openMini();
  try {
    return await Sam2Model.load(checkpoint, { config: MINI_CONFIG, ...options });
  } finally {
    await checkpoint.close();
  }
}

/** RGBA frames of the video and a mask of its first one. */
export async function miniVideo(): Promise<{
  height: number;
  width: number;
  frames: Uint8Array[];
  mask: Uint8Array;
}> {
  const taps = await openCheckpoint(MINI_FILES.taps);
  const frames: Uint8Array[] = [];
  for (let i = 0; taps.has(`video.frame${i}.rgb_u8`); i++) {
    const { data } = await taps.readRaw(`video.frame${i}.rgb_u8`);
    const rgba = new Uint8Array((data.length / 3) * 4).fill(255);
    data.forEach((value, k) => {
      rgba[Math.floor(k / 3) * 4 + (k % 3)] = value;
    });
    frames.push(rgba);
  }
  const { data, shape } = await taps.readRaw('m2.mask_u8');
  await taps.close();
  return { height: shape[0]!, width: shape[1]!, frames, mask: data };
}
