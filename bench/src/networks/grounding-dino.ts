import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import {
  GROUNDING_DINO_CONFIGS,
  GroundingDino,
  type GroundingDinoConfig,
  openManifest,
  type TextFeatures,
} from '@samtrack/models';
import { groundingDinoManifest, highestScores } from '@samtrack/models/testing';
import { clone, keep, type Tensor, type Tensor2D, type Tensor3D } from '@tensorflow/tfjs-core';
import type { Network } from './network.js';

/** Relative difference of scores that rounding explains. */
const TIE = 1e-5;
/** Tokens of "[CLS] a cat . a remote control . [SEP]". */
const TOKENS = 9;
/** The phrases, with the stops that end them. */
const PHRASES: readonly (readonly [first: number, last: number])[] = [
  [1, 3],
  [4, 7],
];

/**
 * Grounding DINO from an image to the features of its boxes, with a caption of two phrases. The caption's features are an
 * input: they are computed once, however many images follow.
 */
export function groundingDino(
  height: number,
  width: number,
  name = 'grounding-dino-t',
  config: GroundingDinoConfig = GROUNDING_DINO_CONFIGS['grounding-dino-t'],
): Network {
  /** The tokens that the first run chose. Others take the same: two whose scores almost tie would change places, and their boxes with them. */
  let selected: Int32Array | undefined;
  return {
    name: `${name}@${height}x${width}`,
    flops: 0,
    weights: () => groundingDinoManifest(config, 7),
    makeInputs: async () => {
      const image = randomTensor([height, width, 4], 1);
      for (let i = 3; i < image.values.length; i += 4) image.values[i] = 0;
      return { image: toTensor(image), rows: { text: toTensor(randomTensor([TOKENS, 256], 2)) } };
    },
    load: async (ops) => {
      const model = await GroundingDino.load(openManifest(groundingDinoManifest(config, 7)), { ops, config });
      return {
        run: async ({ image, rows }, onPart) => {
          const features = model.encodeImage(image as Tensor3D);
          onPart?.('image');
          let last: Tensor | undefined;
          await model.detect(features, textFeatures(rows['text'] as Tensor2D), {
            onStage: (stage) => onPart?.(stage),
            rank: (scores, count) => {
              const highest = highestScores(scores, count);
              selected ??= highest;
              for (const [i, token] of selected.entries()) {
                const [taken, own] = [scores[token]!, scores[highest[i]!]!];
                if (Math.abs(taken - own) > TIE * Math.abs(own)) {
                  throw new Error(`${name}: query ${i} has a score of ${own}, and ${taken} on the first runner`);
                }
              }
              return selected;
            },
            onQueries: (queries) => {
              last = keep(clone(queries));
            },
          });
          features.dispose();
          return last!;
        },
        decisions: () => ({
          selected: { values: BigInt64Array.from(selected!, BigInt), shape: [selected!.length] },
        }),
        dispose: () => model.dispose(),
      };
    },
  };
}

function textFeatures(features: Tensor2D): TextFeatures {
  const mask = new Uint8Array(TOKENS * TOKENS);
  const positionIds = new Int32Array(TOKENS);
  for (let i = 0; i < TOKENS; i++) mask[i * TOKENS + i] = 1;
  for (const [first, last] of PHRASES) {
    for (let i = first; i <= last; i++) {
      mask.fill(1, i * TOKENS + first, i * TOKENS + last + 1);
      positionIds[i] = i - first;
    }
  }
  return { features, mask, positionIds, tokenMask: new Uint8Array(TOKENS).fill(1) };
}
