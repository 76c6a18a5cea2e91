import { MATRIX_OPS, testCases } from '../../test/case-runner.js';

testCases(({ op }) => !MATRIX_OPS.includes(op));
