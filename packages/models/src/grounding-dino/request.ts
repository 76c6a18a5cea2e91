import { classCaption, type PhraseSpans, spansInPreprocessed } from './spans.js';
import {
  CaptionError,
  type CaptionTokens,
  preprocessCaption,
  tokenizeCaption,
  type WordPieceTokenizer,
} from './text/index.js';

/** What to look for: a caption, phrases of a caption, or classes. */
export type Wanted =
  | {
      /** A caption; phrases in it are separated by full stops: `a cat. a remote control.` */
      readonly text: string;
      /** Phrases of the caption to score one by one, as UTF-16 offsets in it. */
      readonly phrases?: readonly PhraseSpans[];
    }
  | {
      /** Class names. Any number: they are asked for in as few captions of 256 tokens as hold them. */
      readonly classes: readonly string[];
      /**
       * `phrase`: a box is of the first class whose name its phrase contains, as `Model.predict_with_classes` has it;
       * `span`: a box has a score for each class, the mean over its tokens, as in the evaluation on COCO. `phrase` by default.
       */
      readonly scoring?: 'phrase' | 'span';
    };

/** One pass of the network. */
export interface Question {
  readonly tokens: CaptionTokens;
  /** Phrases to score one by one. */
  readonly phrases?: readonly PhraseSpans[];
  /** Number of the first phrase or class among all that were asked for. */
  readonly first: number;
  /** Names of the classes as they appear in phrases. */
  readonly classNames?: readonly string[];
}

/** Tokens between `[CLS]` and `[SEP]`. */
const MAX_TOKENS = 254;

/**
 * The captions to show to the network.
 * @throws CaptionError for an empty caption, a class without a name or too long a name, or a span without text.
 */
export function questionsFor(wanted: Wanted, tokenizer: WordPieceTokenizer): Question[] {
  if ('classes' in wanted) return classQuestions(wanted.classes, wanted.scoring ?? 'phrase', tokenizer);
  const { text, phrases } = wanted;
  const tokens = tokenizeCaption(preprocessCaption(text), tokenizer);
  return [{ tokens, phrases: phrases && spansInPreprocessed(text, phrases), first: 0 }];
}

function classQuestions(
  classes: readonly string[],
  scoring: 'phrase' | 'span',
  tokenizer: WordPieceTokenizer,
): Question[] {
  // Names every class that has no name before anything is computed.
  classCaption(classes);
  const questions: Question[] = [];
  for (let first = 0; first < classes.length; ) {
    let [count, length] = [0, 0];
    for (; first + count < classes.length; count++) {
      const added = tokenizer.encode(classes[first + count]!).length + 1;
      if (added > MAX_TOKENS) {
        throw new CaptionError('bad-class', `Class ${first + count} has ${added - 1} tokens, ${MAX_TOKENS - 1} fit.`);
      }
      if (length + added > MAX_TOKENS) break;
      length += added;
    }
    const part = classes.slice(first, first + count);
    const { caption, spans } = classCaption(part);
    questions.push({
      tokens: tokenizeCaption(preprocessCaption(caption), tokenizer),
      first,
      ...(scoring === 'span' ? { phrases: spans } : { classNames: part.map((name) => decodedName(name, tokenizer)) }),
    });
    first += count;
  }
  return questions;
}

/** A class name as it looks in a phrase, such as `t - shirt`. */
const decodedName = (name: string, tokenizer: WordPieceTokenizer): string =>
  tokenizer
    .decode(tokenizer.encode(name).map(({ id }) => id))
    .replaceAll('.', '')
    .trim();
