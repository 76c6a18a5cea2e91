import type { OpCase } from './case.js';
import { cases as conv2d } from './conv2d/cases.js';
import { cases as gemm } from './gemm/cases.js';
import { cases as groupNorm } from './group-norm/cases.js';
import { cases as layerNorm } from './layer-norm/cases.js';

/** Every case of every operation. */
export const allCases: OpCase[] = [...gemm, ...conv2d, ...layerNorm, ...groupNorm];

/** The cases of the size that models use, for benchmarks; the rest are for tests. */
export const benchmarkCases: OpCase[] = allCases.filter((c) => c.flops !== undefined);
