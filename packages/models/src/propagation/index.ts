export { LabelPropagationModel } from './model.js';
export {
  type LabelPropagationOptions,
  LabelPropagationTracker,
  PROPAGATION_LONG_EDGE,
} from './tracker.js';
