// What the tests get for "fast-check": the same cases in every run, so that a commit passes or fails for what is in it.
// SAMTRACK_RUNS=20 tries twenty times as many, others each time; the failing one is printed with its seed and its smallest form.
import fc from 'fast-check';

const factor = Number(process.env.SAMTRACK_RUNS ?? 1);

export default {
  ...fc,
  assert: (property, parameters = {}) =>
    fc.assert(property, {
      ...(process.env.SAMTRACK_RUNS ? {} : { seed: 1 }),
      ...parameters,
      numRuns: Math.ceil((parameters.numRuns ?? 100) * factor),
    }),
};
