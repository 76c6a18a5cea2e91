/**
 * BERT's tokenizer against Hugging Face's, on a generated corpus and on every character of the blocks in use. Thirteen letters of
 * scripts newer than Unicode 8 (U+10xxx, U+11xxx, U+16xxx) have a lower case or a decomposition here and none there.
 */
import { describe, expect, it } from 'vitest';
import vocabulary from '../../src/grounding-dino/text/bert-base-uncased.json' with { type: 'json' };
import { loadTokenizer, type Token } from '../../src/grounding-dino/text/index.js';
import reference from '../fixtures/grounding-dino/tokenizer.json' with { type: 'json' };
import { corpusLine, corpusWords, fnv1a, hashIds } from '../fixtures/grounding-dino/tokenizer-corpus.js';

const tokenizer = await loadTokenizer();
const words = corpusWords(vocabulary.tokens.split('\n'));
const lines = Array.from({ length: reference.lines }, (_, i) => corpusLine(i, words));
const ids = (tokens: readonly Token[]) => tokens.map(({ id }) => id);

/** Offsets in code points, as Python counts. */
function codePointOffsets(text: string, tokens: readonly Token[]): number[][] {
  const at = new Map<number, number>([[text.length, [...text].length]]);
  let [units, points] = [0, 0];
  for (const character of text) {
    at.set(units, points++);
    units += character.length;
  }
  return tokens.map(({ start, end }) => [at.get(start)!, at.get(end)!]);
}

describe('WordPieceTokenizer', () => {
  it('is tested on the text that the reference was given', () => {
    expect(lines).toHaveLength(10_000);
    expect(fnv1a(new TextEncoder().encode(lines.join('\n')))).toBe(reference.textHash);
  });

  it('gives the ids of the reference for 10,000 lines', () => {
    const coded = lines.map((line) => ids(tokenizer.encode(line)));
    const wrong = reference.blocks.flatMap((hash, block) => {
      const first = block * reference.block;
      return hashIds(coded.slice(first, first + reference.block)) === hash ? [] : [`lines from ${first}`];
    });
    expect(wrong).toEqual([]);
    expect(coded.reduce((sum, line) => sum + line.length, 0)).toBe(reference.tokens);
    expect(Math.max(...coded.map(({ length }) => length))).toBe(reference.longest);
    expect(reference.longest).toBeGreaterThan(300);
  });

  it('gives ids, offsets and text of the reference, line by line', () => {
    expect(reference.full.length).toBeGreaterThan(300);
    for (const { line, ids: expected, offsets, decoded } of reference.full) {
      const tokens = tokenizer.encode(lines[line]!);
      const actual = {
        ids: ids(tokens),
        offsets: codePointOffsets(lines[line]!, tokens),
        decoded: tokenizer.decode(ids(tokens)),
      };
      expect(actual, `line ${line}`).toEqual({ ids: expected, offsets, decoded });
    }
  });

  it.each(Object.entries(reference.characters))(
    'classes every character of U+%sxxx as the reference',
    (plane, hash) => {
      const first = Number.parseInt(plane, 16) << 12;
      function* probes() {
        for (let codePoint = first; codePoint < first + 4096; codePoint++) {
          if (codePoint < 0xd800 || codePoint >= 0xe000)
            yield ids(tokenizer.encode(`a${String.fromCodePoint(codePoint)}b`));
        }
      }
      expect(hashIds(probes())).toBe(hash);
    },
  );

  it.each(Object.entries(reference.captions))('%s', (text, { ids: expected, decoded }) => {
    const tokens = tokenizer.encode(text);
    expect([101, ...ids(tokens), 102]).toEqual(expected);
    expect(tokenizer.decode(ids(tokens))).toBe(decoded);
  });

  it('points at the text each token came from', () => {
    const text = 'Café  ÉCLAIR, 犬😀!';
    expect(tokenizer.encode(text).map(({ start, end }) => text.slice(start, end))).toEqual([
      ...['Café', 'ÉC', 'LAI', 'R', ',', '犬', '😀', '!'],
    ]);
  });

  it('drops a lone surrogate, and refuses ids that are none', () => {
    expect(ids(tokenizer.encode('a\ud800b'))).toEqual(ids(tokenizer.encode('ab')));
    expect(() => tokenizer.decode([30522])).toThrow(/30522/);
  });
});
