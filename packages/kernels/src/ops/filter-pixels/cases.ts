import { type CaseTensor, lazyTensor, type OpCase, randomTensor, randomValues } from '../case.js';
import { type FilterPixelsOptions, filterPixels } from './index.js';
import { filterPixelsReference } from './reference.js';

/** A filter of some width around each output's place, with random weights that sum to 1. */
function taps(input: number, output: number, width: number, seed: number): CaseTensor {
  return lazyTensor([output, 2 + width], () => {
    const random = randomValues(output * width, seed);
    const values = new Int32Array(output * (2 + width));
    for (let i = 0; i < output; i++) {
      const first = Math.min(input - 1, Math.floor((i * input) / output));
      const count = Math.min(width, input - first);
      const weights = Array.from({ length: count }, (_, k) => random[i * width + k]! + 1.01);
      const sum = weights.reduce((a, b) => a + b);
      values.set([first, count, ...weights.map((w) => Math.floor((w / sum) * 2 ** 22))], i * (2 + width));
    }
    return values;
  });
}

function filterCase(
  input: FilterPixelsOptions['input'],
  [height, width]: readonly [number, number],
  count: number,
  channels: 3 | 4,
  frame?: { height: number; width: number },
): OpCase {
  const words = Math.ceil((input.height * input.width * input.channels) / 4);
  const shape = { input, channels, ...(frame ? { frame } : {}) };
  const inputs = {
    pixels: lazyTensor([words], () => new Int32Array(randomValues(words, 3).map((v) => Math.floor(v * 2 ** 31)))),
    columns: taps(input.width, width, count, 4),
    rows: taps(input.height, height, count, 5),
    table: randomTensor([3, 256], 6),
  };
  const from = `${input.height}x${input.width}x${input.channels}`;
  const to = frame ? ` in ${frame.height}x${frame.width}` : '';
  return {
    op: 'filter-pixels',
    name: `${from} -> ${height}x${width}x${channels}${to}, ${count} taps`,
    inputs,
    kernelsOnly: true,
    build: (_, { pixels, columns, rows, table }) =>
      filterPixels(pixels!, { ...shape, columns: columns!, rows: rows!, table: table! }),
    reference: () => [filterPixelsReference(inputs, shape)],
    // Bytes are exact, and so is what the table makes of them.
    tolerance: 0,
  };
}

export const cases: OpCase[] = [
  filterCase({ height: 1, width: 1, channels: 3 }, [1, 1], 1, 4),
  filterCase({ height: 7, width: 5, channels: 3 }, [7, 5], 1, 3),
  filterCase({ height: 31, width: 43, channels: 3 }, [17, 19], 5, 4),
  filterCase({ height: 13, width: 9, channels: 1 }, [29, 33], 3, 3, { height: 37, width: 33 }),
  filterCase({ height: 40, width: 53, channels: 4 }, [11, 67], 9, 3, { height: 67, width: 67 }),
  filterCase({ height: 23, width: 30, channels: 4 }, [8, 70], 7, 4),
];
