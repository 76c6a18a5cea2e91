export { highest as highestScores } from '../grounding-dino/query-selection.js';
export { groundingDinoManifest, MINI_CONFIG, TINY_CONFIG } from './grounding-dino.js';
export { textManifest } from './grounding-dino-text.js';
