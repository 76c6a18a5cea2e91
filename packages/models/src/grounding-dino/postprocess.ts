import type { Box } from '../masks/box.js';
import { type CentredBox, cornersOf } from './boxes.js';
import type { Question } from './request.js';
import { phraseText, positiveMap } from './spans.js';
import { type CaptionTokens, CLS_ID, PERIOD_ID, SEP_ID, type WordPieceTokenizer } from './text/index.js';
import type { LevelSize, RawDetections } from './types.js';

/** Without `removeCombined`, tokens of a phrase stand between the first one and the 256th. */
const LAST_COLUMN = 255;

/** What the network found, as numbers that thresholds are applied to. */
interface TokenScores {
  readonly queries: number;
  readonly tokens: number;
  /** How well each query fits each token, 0..1, row-major [queries, L]. */
  readonly probabilities: Float32Array;
}

const tokenScores = ({ queries, tokens, logits }: RawDetections): TokenScores => ({
  queries,
  tokens,
  probabilities: logits.map((logit) => 1 / (1 + Math.exp(-logit))),
});

/** A query that passed a threshold. */
interface ScoredQuery {
  readonly query: number;
  readonly score: number;
}

/** Queries whose best token scores above the threshold, with that score (GroundingDINO, `util/inference.py`, `predict`). */
function confidentQueries({ queries, tokens, probabilities }: TokenScores, threshold: number): ScoredQuery[] {
  const found: ScoredQuery[] = [];
  for (let query = 0; query < queries; query++) {
    let score = 0;
    for (let t = 0; t < tokens; t++) score = Math.max(score, probabilities[query * tokens + t]!);
    if (score > threshold) found.push({ query, score });
  }
  return found;
}

/** Options of `phraseOf`. */
interface PhraseOptions {
  /** Least probability of a token of the phrase. */
  threshold: number;
  /** Keeps to the sub-sentence of the best token. */
  removeCombined?: boolean;
}

/**
 * The words of the caption that a query goes with: the tokens above the threshold, decoded, full stops taken out
 * (GroundingDINO, `util/utils.py`, `get_phrases_from_posmap`). As published, `[SEP]` may belong to it, the first token and the
 * 256th may not; `removeCombined` keeps to the tokens between two of `[CLS]`, `[SEP]` and full stops, wherever these are.
 */
function phraseOf(
  { tokens, probabilities }: TokenScores,
  query: number,
  { ids }: CaptionTokens,
  tokenizer: WordPieceTokenizer,
  { threshold, removeCombined = false }: PhraseOptions,
): string {
  const row = probabilities.subarray(query * tokens, (query + 1) * tokens);
  let [left, right] = [0, LAST_COLUMN];
  if (removeCombined) [left, right] = subSentenceAround(ids, row.indexOf(Math.max(...row)));
  const chosen = ids.filter((_, t) => t > left && t < right && row[t]! > threshold);
  return tokenizer.decode(chosen).replaceAll('.', '').trim();
}

/** The separators around a token, the first one after it or itself, and the one before that. */
function subSentenceAround(ids: readonly number[], token: number): [left: number, right: number] {
  const separators = ids.flatMap((id, t) => ([CLS_ID, SEP_ID, PERIOD_ID].includes(id) ? [t] : []));
  const next = separators.findIndex((separator) => separator >= token);
  // Beyond the last one where the end of the caption was cut off. Nothing stands before `[CLS]`.
  if (next < 0) return [separators.at(-1)!, ids.length];
  return next === 0 ? [0, 0] : [separators[next - 1]!, separators[next]!];
}

/** A query's box in pixels of a picture; it may reach beyond its edges (GroundingDINO, `util/inference.py`, `post_process_result`). */
export function boxInPixels({ boxes }: RawDetections, query: number, { width, height }: LevelSize): Box {
  const [cx, cy, w, h] = boxes.subarray(4 * query, 4 * query + 4) as unknown as CentredBox;
  return cornersOf([cx * width, cy * height, w * width, h * height]);
}

/**
 * How well each query fits each phrase: probabilities of its tokens, weighted by the phrase's row of the map.
 *
 * @param map Row-major [phrases, L], as `positiveMap` makes it.
 * @returns Row-major [queries, phrases].
 */
function phraseScores({ queries, tokens, probabilities }: TokenScores, map: Float32Array): Float32Array {
  const phrases = map.length / tokens;
  const scores = new Float32Array(queries * phrases);
  for (let q = 0; q < queries; q++) {
    for (let p = 0; p < phrases; p++) {
      let sum = 0;
      for (let t = 0; t < tokens; t++) sum += map[p * tokens + t]! * probabilities[q * tokens + t]!;
      scores[q * phrases + p] = sum;
    }
  }
  return scores;
}

/**
 * First class whose name stands in a phrase (GroundingDINO, `util/inference.py`, `phrases2classes`).
 * @param names Class names as the tokenizer decodes them, so that they are comparable with phrases.
 */
function classInPhrase(phrase: string, names: readonly string[]): number | undefined {
  const index = names.findIndex((name) => name !== '' && phrase.includes(name));
  return index < 0 ? undefined : index;
}

/** Thresholds of `findIn`. */
export interface FindOptions {
  boxThreshold: number;
  textThreshold: number;
  removeCombined?: boolean | undefined;
}

/** A query with the words or the class that it goes with. */
export interface NamedQuery extends ScoredQuery {
  readonly phrase: string;
  /** Number of the class or phrase among all that were asked for. */
  readonly index?: number;
}

/**
 * What the network found of what one caption asks for: for a caption, and for classes told by phrases, a query at most once; for
 * phrases or classes scored one by one, once for each whose score passes the threshold (GroundingDINO,
 * `demo/inference_on_a_image.py` and `demo/test_ap_on_coco.py`).
 */
export function findIn(
  raw: RawDetections,
  question: Question,
  tokenizer: WordPieceTokenizer,
  { boxThreshold, textThreshold, removeCombined }: FindOptions,
): NamedQuery[] {
  const { tokens, phrases, classNames, first } = question;
  const scores = tokenScores(raw);
  if (phrases) {
    const names = phrases.map((spans) => phraseText(tokens.text, spans));
    const all = phraseScores(scores, positiveMap(tokens, phrases));
    return Array.from(all, (score, i) => {
      const phrase = i % phrases.length;
      return { query: Math.floor(i / phrases.length), score, phrase: names[phrase]!, index: first + phrase };
    }).filter(({ score }) => score > boxThreshold);
  }
  return confidentQueries(scores, boxThreshold).map((found) => {
    const phrase = phraseOf(scores, found.query, tokens, tokenizer, { threshold: textThreshold, removeCombined });
    const index = classNames && classInPhrase(phrase, classNames);
    return index === undefined ? { ...found, phrase } : { ...found, phrase, index: first + index };
  });
}
