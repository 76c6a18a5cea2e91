import { MAX_TEXT_TOKENS } from '../config.js';
import { CLS_ID, PERIOD_ID, QUESTION_MARK_ID, SEP_ID, type WordPieceTokenizer } from './word-piece.js';

/** A caption that cannot be asked for. */
export class CaptionError extends Error {
  override readonly name = 'CaptionError';
  constructor(
    readonly code: 'empty' | 'no-classes' | 'bad-class' | 'bad-span',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A caption as the network takes it: L tokens, `[CLS]` first, and `[SEP]` last unless it was cut off. */
export interface CaptionTokens {
  /** As tokenized: what offsets count in. */
  readonly text: string;
  readonly ids: readonly number[];
  /** Where each token stands in `text`, UTF-16 offsets, the second one exclusive; nothing for `[CLS]` and `[SEP]`. */
  readonly offsets: readonly (readonly [start: number, end: number] | undefined)[];
  /** 1 where the token of the row attends to that of the column, row-major [L, L]. */
  readonly mask: Uint8Array;
  /** Position of each token within its sub-sentence. */
  readonly positionIds: Int32Array;
  /** Tokens beyond the 256th, which the network never sees. */
  readonly cut: number;
}

/** White space at both ends, as Python's `str.strip` knows it. */
const EDGES = new RegExp(['^[S]+', '[S]+$'].join('|').replaceAll('S', '\\s\\u001c-\\u001f\\u0085'), 'g');

/**
 * A caption as Grounding DINO wants it: lower case, trimmed, with a full stop at its end (GroundingDINO, `util/inference.py`,
 * `preprocess_caption`). Idempotent.
 * @throws CaptionError `empty` when there is nothing to look for: the published implementation fails on some such captions.
 */
export function preprocessCaption(caption: string): string {
  // JavaScript counts the byte order mark as white space, Python does not; it is no token either way.
  const text = caption.replace(EDGES, '').toLowerCase();
  if (/^[\s.?\p{C}]*$/u.test(text)) {
    throw new CaptionError('empty', `There is nothing to look for in the caption ${JSON.stringify(caption)}.`);
  }
  return text.endsWith('.') ? text : `${text}.`;
}

/**
 * Tokens of a caption, the sub-sentences they attend within, and their positions in them. Sub-sentences end at a full stop or
 * a question mark; what comes after the last of them attends to itself alone, each token at position 0, as `[CLS]` and `[SEP]` do.
 * Everything is worked out for the whole caption and then cut to 256 tokens (GroundingDINO, `bertwarper.py`,
 * `generate_masks_with_special_tokens_and_transfer_map`, and `groundingdino.py`).
 *
 * @param text As `preprocessCaption` gives it.
 */
export function tokenizeCaption(text: string, tokenizer: WordPieceTokenizer): CaptionTokens {
  const words = tokenizer.encode(text);
  const ids = [CLS_ID, ...words.map(({ id }) => id), SEP_ID];
  const offsets = [undefined, ...words.map(({ start, end }) => [start, end] as const), undefined];
  const length = Math.min(ids.length, MAX_TEXT_TOKENS);
  return {
    text,
    ids: ids.slice(0, length),
    offsets: offsets.slice(0, length),
    ...subSentences(ids, length),
    cut: ids.length - length,
  };
}

/** Attention mask and positions of the first `length` of the tokens. */
function subSentences(ids: readonly number[], length: number): { mask: Uint8Array; positionIds: Int32Array } {
  const mask = new Uint8Array(length * length);
  const positionIds = new Int32Array(length);
  for (let i = 0; i < length; i++) mask[i * length + i] = 1;
  let previous = 0;
  for (const [column, id] of ids.entries()) {
    if (previous >= length) break;
    if (![CLS_ID, SEP_ID, PERIOD_ID, QUESTION_MARK_ID].includes(id)) continue;
    if (column > 0 && column < ids.length - 1) {
      const end = Math.min(column + 1, length);
      for (let row = previous + 1; row < end; row++) {
        mask.fill(1, row * length + previous + 1, row * length + end);
        positionIds[row] = row - previous - 1;
      }
    }
    previous = column;
  }
  return { mask, positionIds };
}
