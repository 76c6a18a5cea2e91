/** Plain-loop twin of `labelUncertainty` in float64; logits [groups, positions, 12], flat. */
export function labelUncertaintyReference(logits: ArrayLike<number>, positions: number, objects: number): Float64Array {
  const groups = Math.ceil(objects / 10);
  const clamp = (p: number) => (groups > 1 ? Math.min(Math.max(p, 1e-5), 1 - 1e-5) : p);
  const result = new Float64Array(2 * positions);
  for (let position = 0; position < positions; position++) {
    const p = [1];
    for (let g = 0; g < groups; g++) {
      const at = (g * positions + position) * 12;
      const values = Array.from({ length: Math.min(objects - 10 * g, 10) + 1 }, (_, c) => logits[at + c]!);
      const exponentials = values.map((v) => Math.exp(v - Math.max(...values)));
      const sum = exponentials.reduce((a, b) => a + b);
      p[0]! *= exponentials[0]! / sum;
      for (const e of exponentials.slice(1)) p.push(clamp(e / sum));
    }
    p[0] = clamp(p[0]!);
    const total = p.reduce((a, b) => a + b);
    const entropy = p.reduce((h, q) => (q > 0 ? h - (q / total) * Math.log(q / total) : h), 0);
    result[2 * position] = p.indexOf(Math.max(...p));
    result[2 * position + 1] = entropy / Math.log(objects + 1);
  }
  return result;
}
