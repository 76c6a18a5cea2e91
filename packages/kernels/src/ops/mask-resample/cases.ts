import { type BenchRequest, benchOf, type CaseTensor, type OpCase, randomTensor } from '../case.js';
import { type MaskGeometry, makeMaskPlan, maskBits, maskStatistics, maskValues } from './index.js';
import { maskBitsReference, maskStatisticsReference, maskValuesReference } from './reference.js';
import { stockMaskValues } from './stock.js';

interface MaskCase extends MaskGeometry {
  masks: number;
  threshold?: number;
  offset?: number;
  selected?: number[];
  bench?: BenchRequest;
}

/** How far every pixel must stay from the levels that are counted, so that rounding cannot decide one. */
const MARGIN = 4e-6;

const flat = (map: CaseTensor, mask: number, side: number) =>
  map.values.subarray(mask * side * side, (mask + 1) * side * side);

/** Values of the masks asked for; throws where one of them is too close to a level to be counted the same in float32. */
function referenceValues(logits: CaseTensor, c: MaskCase): Float64Array[] {
  const { threshold = 0, offset = 1 } = c;
  const values = (c.selected ?? Array.from({ length: c.masks }, (_, i) => i)).map((mask) =>
    maskValuesReference(flat(logits, mask, c.side), c),
  );
  const levels = [threshold, threshold + offset, threshold - offset];
  if (values.some((map) => map.some((v) => levels.some((level) => Math.abs(v - level) < MARGIN)))) {
    throw new Error('a case of mask-resample whose pixels lie on a level says nothing: choose other logits');
  }
  return values;
}

const join = (parts: Float64Array[]): Float64Array => {
  const out = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

function maskCases(c: MaskCase, seed: number): OpCase[] {
  const { side, frame, input, output, masks, threshold = 0, offset = 1, selected } = c;
  const levels = { threshold, offset };
  const name = `${masks} of ${side} in ${frame}, ${input.height}x${input.width} -> ${output.height}x${output.width}${
    selected ? `, masks ${selected}` : ''
  }`;
  const logits = randomTensor([masks, side, side], seed, 4);
  const inputs = {
    logits,
    ...(selected ? { selected: { shape: [selected.length], values: Int32Array.from(selected) } } : {}),
  };
  const withPlan =
    (operation: typeof maskValues): OpCase['build'] =>
    (_, tensors) => {
      const plan = makeMaskPlan(c);
      const out = operation(tensors.logits!, plan, { ...levels, selected: tensors.selected });
      plan.dispose();
      return out;
    };
  const opCase = (op: string, build: OpCase['build'], reference: (values: Float64Array) => Float64Array): OpCase => ({
    op,
    name,
    inputs,
    kernelsOnly: op !== 'mask-values' || selected !== undefined,
    build,
    stock: ({ logits: x }) => stockMaskValues(x!, c),
    reference: () => [join(referenceValues(logits, c).map(reference))],
    ...benchOf(c.bench, {
      size: `${masks}x${output.height}x${output.width}`,
      flops: 10 * masks * output.height * output.width,
    }),
  });
  return [
    opCase('mask-values', withPlan(maskValues), (values) => values),
    opCase('mask-bits', withPlan(maskBits), (values) => maskBitsReference(values, c, threshold)),
    opCase('mask-statistics', withPlan(maskStatistics), (values) => maskStatisticsReference(values, c, levels)),
  ];
}

const size = (height: number, width = height) => ({ height, width });

/** Up and down, one pixel, words of 32 rows and strips of 64 columns that end below, at and above their lengths. */
export const cases: OpCase[] = [
  ...maskCases({ masks: 1, side: 4, frame: 16, input: size(16), output: size(1) }, 1),
  ...maskCases({ masks: 2, side: 4, frame: 16, input: size(1, 16), output: size(2, 65) }, 2),
  ...maskCases({ masks: 3, side: 16, frame: 64, input: size(48, 64), output: size(31, 63) }, 3),
  ...maskCases({ masks: 3, side: 16, frame: 64, input: size(64, 37), output: size(97, 56), threshold: 0.5 }, 14),
  ...maskCases(
    { masks: 5, side: 12, frame: 48, input: size(32, 48), output: size(64, 128), offset: 0.25, selected: [4, 0, 3] },
    5,
  ),
  ...maskCases({ masks: 2, side: 5, frame: 20, input: size(20), output: size(20), offset: 2 }, 6),
  ...maskCases({ masks: 24, side: 256, frame: 1024, input: size(576, 1024), output: size(1080, 1920), bench: true }, 7),
];
