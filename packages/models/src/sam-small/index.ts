export { type SamSmallLoadOptions, SamSmallModel } from './model.js';
