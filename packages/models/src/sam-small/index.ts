export { type SamSmallLoadOptions, SamSmallModel } from './model.js';
export { SmallPredictor } from './predictor.js';
