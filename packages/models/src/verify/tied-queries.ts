import { highest } from '../grounding-dino/query-selection.js';

/** Scores closer than this share of their size may change places with the order of additions. */
const TIE = 1e-5;

/**
 * The published order of query selection, as far as our own and the queries that came out different tell: neighbours whose
 * scores are tied and which both differ change places, and the last one gives way to the next candidate if it ties with that.
 *
 * @param scores Of all tokens.
 * @param different Places, in ascending order, whose query is not the published one.
 * @returns The first `count` tokens; `undefined` if ties explain none of the differences.
 */
export function resolveTies(scores: Float32Array, count: number, different: readonly number[]): Int32Array | undefined {
  const order = highest(scores, count + 1);
  const differs = new Set(different);
  const tied = (place: number) => {
    const [a, b] = [scores[order[place]!]!, scores[order[place + 1]!]!];
    return Math.abs(a - b) <= TIE * Math.max(Math.abs(a), Math.abs(b));
  };
  let changed = false;
  for (let place = 0; place + 1 < order.length; place++) {
    const both = differs.has(place) && (differs.has(place + 1) || place + 1 === count);
    if (!both || !tied(place)) continue;
    [order[place], order[place + 1]] = [order[place + 1]!, order[place]!];
    changed = true;
    place++;
  }
  return changed ? order.slice(0, count) : undefined;
}
