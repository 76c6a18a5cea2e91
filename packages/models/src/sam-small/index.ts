export { type SamSmallLoadOptions, SamSmallModel } from './model.js';
export { type SmallPredictOptions, SmallPredictor } from './predictor.js';
