// Score a folder of results as the DAVIS toolkit does: node evaluate.mjs DAVIS RESULTS
// DAVIS holds Annotations/480p/SEQUENCE/*.png, RESULTS holds SEQUENCE/*.png.
import { evaluateDavis } from 'samtrack/metrics';

const [root, results] = process.argv.slice(2);
const { sequences, summary } = await evaluateDavis({ root, results });
for (const { name, summary: scores } of sequences) console.log(`${name}: J&F ${(100 * scores.jf).toFixed(1)}`);
console.log(
  `all: J ${(100 * summary.j.mean).toFixed(1)}, F ${(100 * summary.f.mean).toFixed(1)}, J&F ${(100 * summary.jf).toFixed(1)}`,
);
