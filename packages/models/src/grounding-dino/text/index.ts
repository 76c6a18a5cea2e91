export { CaptionError, type CaptionTokens, preprocessCaption, tokenizeCaption } from './caption.js';
export { TextBranch } from './text-branch.js';
export { loadTokenizer } from './vocabulary.js';
export { CLS_ID, PERIOD_ID, SEP_ID, type Token, WordPieceTokenizer } from './word-piece.js';
