export { loadTokenizer } from './vocabulary.js';
export { type Token, WordPieceTokenizer } from './word-piece.js';
