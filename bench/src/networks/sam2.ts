import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { openManifest, SAM2_CONFIGS, type Sam2Config, Sam2Model } from '@samtrack/models';
import { dispose } from '@tensorflow/tfjs-core';
import { sam2Manifest } from '../weights/sam2.js';
import type { Network } from './network.js';

/** Arithmetic of the published encoders at 1024 with the pyramid and the decoder's skips, which compute the padding of windows too. */
const ENCODER_GFLOP = { 'sam2.1-tiny': 292.4, 'sam2.1-small': 360.1 } as const;

/** Of that, attention that sees the whole image. */
const ENCODER_GLOBAL_GFLOP = 77.3;

/** Of the published memory attention over seven memories and sixteen pointers; and of that the attention itself. */
const MEMORY_GFLOP = 606;
const MEMORY_ATTENTION_GFLOP = 559.4;

/** FLOP at another side of the image: attention grows with the square of the positions, all else with their number. */
function scaled(gflop: number, attention: number, side: number): number {
  const positions = (side / 1024) ** 2;
  return 1e9 * ((gflop - attention) * positions + attention * positions ** 2);
}

export type Sam2BenchName = keyof typeof ENCODER_GFLOP;

/** Image encoder of a published SAM 2.1: from the picture to the features that the memory attends from. */
export const sam2Encoder = (name: Sam2BenchName, imageSize: number = SAM2_CONFIGS[name].imageSize): Network =>
  hiera(name, { ...SAM2_CONFIGS[name], imageSize }, scaled(ENCODER_GFLOP[name], ENCODER_GLOBAL_GFLOP, imageSize));

/** The same of any size. */
export function hiera(name: string, config: Sam2Config, flops: number): Network {
  const side = config.imageSize;
  const weights = () => sam2Manifest(config);
  return {
    name: `${name}@${side}x${side}`,
    flops,
    weights,
    makeInputs: async () => ({ image: toTensor(randomTensor([side, side, 4], 1)), rows: {} }),
    load: async (ops) => {
      const model = await Sam2Model.load(openManifest(weights()), { ops, config });
      return {
        run: async ({ image }, onPart) => {
          const { features, s0, s1 } = model.encode(image!, onPart && ((part) => onPart(part)));
          dispose([s0, s1]);
          return features;
        },
        dispose: () => model.dispose(),
      };
    },
  };
}

/** Memories of frames that a frame attends to at most, and pointers. */
const MEMORIES = 7;
const POINTERS = 16;

/** Memory attention of SAM 2.1 for one object, whose memory is full. */
export function sam2MemoryAttention(imageSize: number = SAM2_CONFIGS['sam2.1-tiny'].imageSize): Network {
  const config = { ...SAM2_CONFIGS['sam2.1-tiny'], imageSize };
  const positions = (config.imageSize / 16) ** 2;
  const weights = () => sam2Manifest(config);
  return {
    name: `sam2.1-memory-attention@${positions}x${MEMORIES}`,
    flops: scaled(MEMORY_GFLOP, MEMORY_ATTENTION_GFLOP, imageSize),
    weights,
    makeInputs: async () => {
      const random = (rows: number, columns: number, seed: number) => toTensor(randomTensor([rows, columns], seed));
      const frames = Array.from({ length: MEMORIES }, (_, i) => [`memory${i}`, random(positions, 64, 10 + i)] as const);
      return {
        rows: {
          features: random(positions, 256, 1),
          pointers: random(4 * POINTERS, 64, 2),
          pointerPositions: random(4 * POINTERS, 64, 3),
          ...Object.fromEntries(frames),
        },
      };
    },
    load: async (ops) => {
      const model = await Sam2Model.load(openManifest(weights()), { ops, config });
      return {
        run: async ({ rows }, onPart) => {
          const start = model.beginAttention(rows['features']!);
          const frames = Array.from({ length: MEMORIES }, (_, i) => ({
            memory: rows[`memory${i}`]!,
            row: MEMORIES - 1 - i,
          }));
          const pointers = { tokens: rows['pointers']!, positions: rows['pointerPositions']! };
          const out = model.withMemory(start, [{ frames, pointers }], onPart && ((part) => onPart(part)));
          dispose([start.attended, start.query]);
          return out;
        },
        dispose: () => model.dispose(),
      };
    },
  };
}
