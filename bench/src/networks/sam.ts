import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { loadImageEncoder, openManifest, VIT_DET_CONFIGS, type VitDetConfig, WeightReader } from '@samtrack/models';
import { reshape, type Tensor4D } from '@tensorflow/tfjs-core';
import { samEncoderManifest } from '../weights/sam.js';
import type { Network } from './network.js';

/** Arithmetic of the published encoders, which compute the padding of their windows too. */
const GFLOP = { 'vit-b': 972.1, 'vit-l': 2985.7, 'vit-h': 5961.1 } as const;

export type SamName = `sam-${keyof typeof GFLOP}`;

/** A published image encoder of Segment Anything. */
export function samEncoder(name: SamName): Network {
  const size = name.slice(4) as keyof typeof GFLOP;
  return vitDet(name, VIT_DET_CONFIGS[size], GFLOP[size] * 1e9);
}

/** An image encoder of any size. */
export function vitDet(name: string, config: VitDetConfig, flops: number): Network {
  const side = config.grid * 16;
  return {
    name: `${name}@${side}x${side}`,
    flops,
    weights: () => samEncoderManifest(config),
    makeInputs: async () => ({ image: toTensor(randomTensor([side, side, 3], 1)), rows: {} }),
    load: async (ops) => {
      const encoder = await loadImageEncoder(new WeightReader(openManifest(samEncoderManifest(config))), ops);
      return {
        run: async ({ image }, onPart) => {
          const batched = reshape(image!, [1, side, side, 3]) as Tensor4D;
          const onTap = onPart && ((tap: string) => onPart(tap, partFlops(tap, config)));
          const embedding = encoder.encode(batched, onTap);
          batched.dispose();
          onPart?.('neck', partFlops('neck', config));
          const out = reshape(embedding, embedding.shape.slice(1));
          embedding.dispose();
          return out;
        },
        dispose: () => encoder.dispose(),
      };
    },
  };
}

/** What a part of the encoder has to compute: without the padding of windows. */
function partFlops(part: string, { embed, grid, window, global }: VitDetConfig): number {
  const tokens = grid * grid;
  if (part === 'patch_pos') return 2 * tokens * 768 * embed;
  if (part === 'neck') return 2 * tokens * 256 * (embed + 9 * 256);
  const keys = global.includes(Number(part.replace('block', ''))) ? tokens : window * window;
  const side = Math.sqrt(keys);
  // Four projections and two layers of four times the width; products with keys and values; relative positions.
  return 2 * tokens * embed * (12 * embed + 2 * keys + 2 * side);
}
