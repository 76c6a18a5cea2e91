import { splitWords, type Word } from './words.js';

/** Ids of BERT's special tokens. */
const UNKNOWN_ID = 100;
export const CLS_ID = 101;
export const SEP_ID = 102;
export const PERIOD_ID = 1012;
export const QUESTION_MARK_ID = 1029;

/** Longer words are unknown. */
const MAX_WORD = 100;

/** A piece of a word. */
export interface Token {
  readonly id: number;
  /** Where it stands in the text: UTF-16 offsets, the second one exclusive. */
  readonly start: number;
  readonly end: number;
}

/**
 * BERT's uncased tokenizer (Devlin et al., "BERT", 2018; Wu et al., "Google's Neural Machine Translation System", 2016, for
 * WordPiece): ids as Hugging Face's `BertTokenizerFast` gives them, for every code point that Unicode 8 knows.
 * The names of special tokens in a text are text.
 */
export class WordPieceTokenizer {
  readonly #tokens: readonly string[];
  readonly #ids = new Map<string, number>();
  /** Longest token, in UTF-16 units. */
  readonly #longest: number;

  /** @param tokens Every token at the index that is its id; those that go on a word start with `##`. */
  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
    for (const [id, token] of tokens.entries()) this.#ids.set(token, id);
    this.#longest = tokens.reduce((longest, { length }) => Math.max(longest, length), 0);
  }

  /** The tokens of a text, without `[CLS]` and `[SEP]`. */
  encode(text: string): Token[] {
    return splitWords(text).flatMap((word) => this.#encodeWord(word));
  }

  /** Greedy, longest match first; a word with an unknown piece is unknown as a whole. */
  #encodeWord({ characters, starts, ends }: Word): Token[] {
    const whole: Token[] = [{ id: UNKNOWN_ID, start: starts[0]!, end: ends.at(-1)! }];
    if (characters.length > MAX_WORD) return whole;
    const tokens: Token[] = [];
    let first = 0;
    while (first < characters.length) {
      let last = Math.min(characters.length, first + this.#longest);
      let id: number | undefined;
      for (; last > first; last--) {
        const piece = characters.slice(first, last).join('');
        id = this.#ids.get(first === 0 ? piece : `##${piece}`);
        if (id !== undefined) break;
      }
      if (id === undefined) return whole;
      tokens.push({ id, start: starts[first]!, end: ends[last - 1]! });
      first = last;
    }
    return tokens;
  }

  /**
   * Ids as text, words apart by one blank, with the blanks before punctuation taken out as `BertTokenizerFast.decode` does.
   * @throws RangeError for an id that is no token's
   */
  decode(ids: readonly number[]): string {
    let text = '';
    for (const [i, id] of ids.entries()) {
      const token = this.#tokens[id];
      if (token === undefined) throw new RangeError(`no token has the id ${id}`);
      if (i === 0) text = token;
      else text += token.startsWith('##') ? token.slice(2) : ` ${token}`;
    }
    for (const [pattern, replacement] of CLEAN_UP) text = text.replaceAll(pattern, replacement);
    return text;
  }
}

const CLEAN_UP = [
  ...['.', '?', '!', ','].map((mark) => [` ${mark}`, mark] as const),
  [" ' ", "'"],
  ...["n't", "'m", "'s", "'ve", "'re"].map((ending) => [` ${ending}`, ending] as const),
] as const;
