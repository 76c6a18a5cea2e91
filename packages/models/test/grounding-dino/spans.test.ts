import { describe, expect, it } from 'vitest';
import { questionsFor } from '../../src/grounding-dino/request.js';
import { classCaption, type PhraseSpans, phraseText, positiveMap } from '../../src/grounding-dino/spans.js';
import { CaptionError, loadTokenizer, tokenizeCaption } from '../../src/grounding-dino/text/index.js';

const tokenizer = await loadTokenizer();

/** Columns of each phrase, checked to share the weight 1 / (count + 1e-6). */
function columns(text: string, phrases: readonly PhraseSpans[]): number[][] {
  const caption = tokenizeCaption(text, tokenizer);
  const map = positiveMap(caption, phrases);
  const length = caption.ids.length;
  return phrases.map((_, p) => {
    const row = [...map.subarray(p * length, (p + 1) * length)];
    const covered = row.flatMap((weight, token) => (weight > 0 ? [token] : []));
    for (const token of covered) expect(row[token]).toBe(Math.fround(1 / (covered.length + 1e-6)));
    return covered;
  });
}

describe('positiveMap', () => {
  it('covers the tokens that a phrase touches', () => {
    // [CLS] a red cat . two hip ##pop ##ota ##mus ##es . [SEP]
    const text = 'a red cat . two hippopotamuses .';
    const hippos = text.indexOf('hippo');
    const phrases: PhraseSpans[] = [
      [[2, 9]],
      [
        [0, 1],
        [6, 9],
      ],
      [[hippos, hippos + 1]],
      [[hippos, hippos + 14]],
      [[1, 6]],
      [[9, 12]],
    ];
    expect(columns(text, phrases)).toEqual([[2, 3], [1, 3], [6], [6, 7, 8, 9, 10], [2], [4]]);
  });

  it('leaves out what was cut off', () => {
    const text = `${'dog '.repeat(300)}cat .`;
    expect(columns(text, [[[0, 3]], [[1200, 1203]]])).toEqual([[1], []]);
  });

  it.each([
    ['beyond the end', [[[3, 99]]]],
    ['without text', [[[5, 6]]]],
    ['turned round', [[[3, 2]]]],
    ['before the start', [[[-1, 2]]]],
    ['between characters', [[[0.5, 2]]]],
    ['missing', [[]]],
  ] as [string, PhraseSpans[]][])('refuses a span %s', (_, phrases) => {
    expect(() => positiveMap(tokenizeCaption('a cat  .', tokenizer), phrases)).toThrow(CaptionError);
  });
});

describe('classCaption', () => {
  it('sets classes apart by full stops and says where they are', () => {
    const { caption, spans } = classCaption(['Cat', ' remote control. ', 'T-shirt']);
    expect(caption).toBe('cat . remote control . t-shirt .');
    expect(spans.map((span) => phraseText(caption, span))).toEqual(['cat', 'remote control', 't-shirt']);
  });

  it('refuses none, and one without a name', () => {
    expect(() => classCaption([])).toThrow(expect.objectContaining({ code: 'no-classes' }));
    expect(() => classCaption(['cat', ' . '])).toThrow(expect.objectContaining({ code: 'bad-class' }));
    expect(() => classCaption(['cat', ' . '])).toThrow(/Class 1 /);
  });
});

describe('questionsFor', () => {
  it('finds the spans of a caption in what it becomes', () => {
    const text = '  The İstanbul CAT and a dog ';
    const at = (word: string) => [text.indexOf(word), text.indexOf(word) + word.length] as const;
    const [question] = questionsFor({ text, phrases: [[at('CAT')], [at('The'), at('dog')]] }, tokenizer);
    const { tokens, phrases } = question!;
    expect(tokens.text).toBe('the i̇stanbul cat and a dog.');
    expect(phrases!.map((spans) => phraseText(tokens.text, spans))).toEqual(['cat', 'the dog']);
  });

  it('asks for classes in as few captions as hold them', () => {
    const classes = Array.from({ length: 200 }, (_, i) => (i % 3 ? 'red dog' : 'hippopotamus'));
    const questions = questionsFor({ classes }, tokenizer);
    expect(questions.length).toBe(3);
    expect(questions.map(({ tokens }) => tokens.cut)).toEqual([0, 0, 0]);
    // The next class would not have fit.
    for (const { tokens, first, classNames } of questions.slice(0, -1)) {
      const next = tokenizer.encode(classes[first + classNames!.length]!).length + 1;
      expect(tokens.ids.length + next).toBeGreaterThan(256);
    }
    expect(questions.flatMap(({ classNames }) => classNames)).toEqual(classes);
    expect(questions.map(({ first }) => first)).toEqual([
      0,
      ...questions.slice(0, -1).map(({ first, classNames }) => first + classNames!.length),
    ]);
  });

  it('fills 256 tokens exactly before it takes another caption', () => {
    const exact = Array.from({ length: 127 }, () => 'cat');
    expect(questionsFor({ classes: exact }, tokenizer).map(({ tokens }) => tokens.ids.length)).toEqual([256]);
    expect(questionsFor({ classes: [...exact, 'dog'] }, tokenizer).map(({ tokens }) => tokens.ids.length)).toEqual([
      256, 4,
    ]);
  });

  it('refuses a class that no caption holds', () => {
    const wanted = { classes: ['cat', 'dog '.repeat(254)] };
    expect(() => questionsFor(wanted, tokenizer)).toThrow(/Class 1 has 254 tokens/);
  });
});
