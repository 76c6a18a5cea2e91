export { CaptionError, type CaptionTokens, preprocessCaption, tokenizeCaption } from './caption.js';
export { TextBranch } from './text-branch.js';
export { loadTokenizer } from './vocabulary.js';
export { type Token, WordPieceTokenizer } from './word-piece.js';
