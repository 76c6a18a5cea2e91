export { LabelPropagationModel } from './model.js';
export {
  type LabelPropagationOptions,
  LabelPropagationTracker,
  PROPAGATION_LONG_EDGE,
  PROPAGATION_RECENT_FRAMES,
} from './tracker.js';
