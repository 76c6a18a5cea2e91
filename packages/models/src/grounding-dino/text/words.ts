import { isCjk, isDropped, isPunctuation, isSpace } from './character-classes.js';

/** A word as WordPiece takes it: normalised characters, each with its place in the text. */
export interface Word {
  /** Code points in lower case, without accents. */
  readonly characters: readonly string[];
  /** UTF-16 offsets in the text of what each character came from: first unit, and the one after the last. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/**
 * Splits a text into BERT's basic words: control characters and accents dropped, lower case, split at white space, with
 * punctuation and CJK ideographs as words of their own. Character by character as Hugging Face's `BertNormalizer` and
 * `BertPreTokenizer`, so that offsets come for free.
 */
export function splitWords(text: string): Word[] {
  const words: Word[] = [];
  let word: { characters: string[]; starts: number[]; ends: number[] } | undefined;
  const add = (character: string, start: number, end: number) => {
    if (!word) words.push((word = { characters: [], starts: [], ends: [] }));
    word.characters.push(character);
    word.starts.push(start);
    word.ends.push(end);
  };
  let start = 0;
  for (const source of text) {
    const end = start + source.length;
    const codePoint = source.codePointAt(0)!;
    if (isSpace(codePoint)) word = undefined;
    else if (!isDropped(codePoint)) {
      const alone = isCjk(codePoint);
      if (alone) word = undefined;
      for (const character of lower(source)) {
        const separate = isPunctuation(character.codePointAt(0)!);
        if (separate) word = undefined;
        add(character, start, end);
        if (separate) word = undefined;
      }
      if (alone) word = undefined;
    }
    start = end;
  }
  return words;
}

/** One character without its accents, in lower case; `toLowerCase` of a single character knows no context, as the reference. */
function* lower(character: string): Generator<string> {
  for (const part of character.normalize('NFD')) {
    if (!isDropped(part.codePointAt(0)!)) yield* part.toLowerCase();
  }
}
