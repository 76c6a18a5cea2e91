/** Phrases and scores of spans for random captions and probabilities, against Hugging Face's tokenizer; see `phrases.py`. */
import { describe, expect, it } from 'vitest';
import { findIn } from '../../src/grounding-dino/postprocess.js';
import { questionsFor } from '../../src/grounding-dino/request.js';
import { loadTokenizer } from '../../src/grounding-dino/text/index.js';
import reference from '../fixtures/grounding-dino/phrases.json' with { type: 'json' };

const tokenizer = await loadTokenizer();
const { threshold, low, cases } = reference;

/** The network's output of one query. */
function rawOf({ tokens, high }: (typeof cases)[number]) {
  const probabilities = new Float64Array(tokens).fill(low);
  for (const [token, probability] of high) probabilities[token!] = probability!;
  const logits = Float32Array.from(probabilities, (p) => Math.log(p / (1 - p)));
  return { queries: 1, tokens, logits, boxes: new Float32Array(4) };
}

describe('phrases', () => {
  it.each(cases.map((one) => [one.caption.slice(0, 60), one] as const))('%s', (_, one) => {
    const [question] = questionsFor({ text: one.caption }, tokenizer);
    expect(question!.tokens.ids.length).toBe(one.tokens);
    const raw = rawOf(one);
    const options = { boxThreshold: 0, textThreshold: threshold };
    const phrase = (removeCombined: boolean) =>
      findIn(raw, question!, tokenizer, { ...options, removeCombined })[0]!.phrase;
    expect(phrase(false)).toBe(one.phrase);
    expect(phrase(true)).toBe(one.combinedRemoved);
    if (one.spanScore === null) return;
    const [start, end] = one.span as [number, number];
    const scored = findIn(raw, { ...question!, phrases: [[[start, end]]], first: 0 }, tokenizer, options);
    expect(scored[0]!.score).toBeCloseTo(one.spanScore, 5);
  });

  it('are of captions of all kinds', () => {
    expect(cases.filter(({ tokens }) => tokens === 256).length).toBeGreaterThan(5);
    expect(cases.filter(({ phrase, combinedRemoved }) => phrase !== combinedRemoved).length).toBeGreaterThan(10);
    expect(cases.filter(({ spanScore }) => spanScore !== null && spanScore > 0.1).length).toBeGreaterThan(10);
  });
});
