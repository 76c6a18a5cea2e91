import { randomTensor, toTensor } from '@samtrack/kernels/testing';
import { openManifest, SamModel } from '@samtrack/models';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import { samDecoderManifest } from '../weights/sam.js';
import type { Network } from './network.js';

const SIDE = 1024;
const GRID = SIDE / 16;
const CHANNELS = 256;
/** A point somewhere; with the padding point that follows it, two tokens. */
const PROMPT = { points: [[300, 400] as const], labels: [1] };
const TOKENS = 2;

/**
 * Segment Anything's mask decoder, from the embedding of an image and one point to the logits of all four masks. Work that
 * is done once an image, however many prompts follow, is done in every run, as ONNX's graph does it.
 */
export function samDecoder(): Network {
  return {
    name: `sam-decoder@${SIDE}x${SIDE}`,
    flops: 0,
    weights: samDecoderManifest,
    makeInputs: async () => ({ rows: { embedding: toTensor(randomTensor([GRID * GRID, CHANNELS], 1)) } }),
    load: async (ops) => {
      const model = await SamModel.load(openManifest(samDecoderManifest()), { ops });
      return {
        run: async ({ rows }, onPart) => {
          const embedding = rows['embedding'] as Tensor2D;
          const size = { height: SIDE, width: SIDE };
          const image = model.prepare({ features: [embedding], originalSize: size, inputSize: size });
          onPart?.('image');
          const [batch] = [...image.decode([PROMPT], { masks: 'all' })];
          onPart?.('prompt');
          image.dispose();
          batch!.iou.dispose();
          return batch!.logits;
        },
        decisions: () => ({ sparse: { values: model.embedPrompt(PROMPT), shape: [1, TOKENS, CHANNELS] } }),
        dispose: () => model.dispose(),
      };
    },
  };
}
