import { WordPieceTokenizer } from './word-piece.js';

let tokenizer: Promise<WordPieceTokenizer> | undefined;

/** The tokenizer of `bert-base-uncased`, with its vocabulary of 30,522 tokens; read when first asked for, then shared. */
export function loadTokenizer(): Promise<WordPieceTokenizer> {
  tokenizer ??= import('./bert-base-uncased.json', { with: { type: 'json' } }).then(
    ({ default: { tokens } }) => new WordPieceTokenizer(tokens.split('\n')),
  );
  return tokenizer;
}
