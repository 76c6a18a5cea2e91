export { type CandidateSource, describedBy, everything, type TextOptions } from './candidate-source.js';
export { type ClickedObject, type ClickOptions, simulateClicks } from './clicks.js';
export {
  type DiscoveredObject,
  Discoverer,
  type DiscovererOptions,
  type DiscoveryReport,
} from './discoverer.js';
export { automatic, fusion, type TrackingMode } from './modes.js';
