import { type BenchmarkResult, ORT_CPU, ORT_WASM, ORT_WEBGPU, OURS, OURS_CPU, PYTORCH, STOCK } from './contest.js';
import { CHROMIUM } from './web/results.js';

interface ShownRunner {
  readonly name: string;
  /** Short, for the head of a column. */
  readonly title: string;
  /** In plots. */
  readonly colour: string;
}

/** Ours, in plots. */
export const OUR_COLOUR = '#1b7f5c';

const IN_NODE: readonly ShownRunner[] = [
  { name: STOCK, title: 'tfjs', colour: '#c2571a' },
  { name: ORT_WEBGPU, title: 'ORT WebGPU', colour: '#4053d3' },
  { name: ORT_CPU, title: 'ORT CPU', colour: '#8a8a8a' },
  { name: OURS_CPU, title: 'samtrack CPU', colour: '#0f9b9b' },
  { name: PYTORCH, title: 'PyTorch', colour: '#b8860b' },
];
const IN_CHROMIUM: readonly ShownRunner[] = [
  IN_NODE[0]!,
  IN_NODE[1]!,
  { name: ORT_WASM, title: 'ORT WASM', colour: '#8a8a8a' },
].map((runner) => ({ ...runner, name: `${CHROMIUM}${runner.name}` }));

/** The runners that tables and plots show, of a run in Node or in Chromium; the others are in the JSON only. */
export function shownRunners(results: readonly Pick<BenchmarkResult, 'runners'>[]): {
  readonly ours: string;
  readonly others: readonly ShownRunner[];
} {
  const chromium = results.some(({ runners }) => `${CHROMIUM}${OURS}` in runners);
  return { ours: chromium ? `${CHROMIUM}${OURS}` : OURS, others: chromium ? IN_CHROMIUM : IN_NODE };
}
