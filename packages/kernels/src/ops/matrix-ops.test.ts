import { MATRIX_OPS, testCases } from '../../test/case-runner.js';

// A file of their own, so that a second worker compiles them.
testCases(({ op }) => MATRIX_OPS.includes(op));
