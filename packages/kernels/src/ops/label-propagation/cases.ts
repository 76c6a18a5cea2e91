import type { Tensor } from '@tensorflow/tfjs-core';
import { type BenchRequest, benchOf, type CaseTensor, type OpCase, randomTensor } from '../case.js';
import { type LabelPropagationInput, labelPropagation } from './index.js';
import { labelPropagationReference } from './reference.js';
import { stockLabelPropagation } from './stock.js';

interface PropagationCase {
  height: number;
  width: number;
  depth: number;
  channels: number;
  /** One a frame. */
  radii: number[];
  topK: number;
  /** Whether the stock twin runs too: sorting whole rows, it takes a minute on a software adapter where they are long. */
  stock?: boolean;
  bench?: BenchRequest;
}

function propagationCase({ height, width, depth, channels, radii, topK, stock, bench }: PropagationCase): OpCase {
  const tokens = height * width;
  const temperature = 0.05;
  const inputs: Record<string, CaseTensor> = { query: randomTensor([tokens, depth], 1, 0.4) };
  for (const f of radii.keys()) {
    inputs[`key${f}`] = randomTensor([tokens, depth], 10 + f, 0.4);
    inputs[`labels${f}`] = randomTensor([tokens, channels], 20 + f);
  }
  const operands = (tensors: Record<string, Tensor>): LabelPropagationInput => ({
    height,
    width,
    temperature,
    topK,
    query: tensors.query!,
    frames: radii.map((radius, f) => ({ key: tensors[`key${f}`]!, labels: tensors[`labels${f}`]!, radius })),
  });
  const positions = radii.reduce((sum, radius) => sum + (2 * radius + 1) ** 2, 0);
  return {
    op: 'label-propagation',
    name: `${height}x${width}, radii ${radii.join(', ')}, depth ${depth}, ${channels} labels, best ${topK}`,
    inputs,
    variants: (adapter) => labelPropagation.supported({ tokens, positions, depth, channels }, adapter),
    kernelsOnly: !stock,
    build: (_, tensors) => labelPropagation(operands(tensors)),
    stock: (tensors) => stockLabelPropagation(operands(tensors)),
    reference: (tensors) => [
      labelPropagationReference(
        tensors.query!.values,
        radii.map((radius, f) => ({
          key: tensors[`key${f}`]!.values,
          labels: tensors[`labels${f}`]!.values,
          radius,
        })),
        { height, width, depth, channels, temperature, topK },
      ),
    ],
    ...benchOf(bench, { size: `${height}x${width}-${radii.join('-')}`, flops: 2 * tokens * positions * depth }),
  };
}

/** Windows smaller and larger than the map, fewer positions than are asked for, widths around the block of 8 tokens. */
export const cases: OpCase[] = [
  propagationCase({ height: 1, width: 1, depth: 4, channels: 4, radii: [1], topK: 3, stock: true }),
  propagationCase({ height: 2, width: 3, depth: 8, channels: 4, radii: [12, 7], topK: 16, stock: true }),
  propagationCase({ height: 11, width: 17, depth: 12, channels: 8, radii: [12, 7, 7, 7], topK: 10, stock: true }),
  propagationCase({ height: 13, width: 8, depth: 16, channels: 36, radii: [2, 0, 3, 1, 2, 4], topK: 1 }),
  propagationCase({ height: 6, width: 31, depth: 96, channels: 4, radii: [4], topK: 5 }),
  propagationCase({ height: 31, width: 54, depth: 96, channels: 4, radii: [12, 7, 7, 7], topK: 10, bench: true }),
];
