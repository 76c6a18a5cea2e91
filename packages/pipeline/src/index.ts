/**
 * What programs that track need. The rest lies behind further names: `samtrack/io` reads and writes files, `samtrack/metrics` scores,
 * `samtrack/export` writes other formats, `samtrack/discovery` finds new objects, `samtrack/cli` is for packages that add commands.
 * @module
 */
export { DeviceError, DeviceLostError, RuntimeInUseError } from '@samtrack/kernels';
export {
  CheckpointError,
  type CheckpointInput,
  type LoadProgress,
  type MemoryPolicy,
  OutOfBudgetError,
  TrackerError,
} from '@samtrack/models';
export { OnnxEngineError } from '@samtrack/onnx';
export * from './assist/index.js';
export {
  automatic,
  type Candidate,
  type CandidateSource,
  type DiscoveredObject,
  Discoverer,
  type DiscovererOptions,
  type Discovery,
  DiscoveryError,
  type DiscoveryErrorCode,
  type DiscoveryReport,
  describedBy,
  everything,
  fusion,
  type KnownObject,
  type NewObject,
  type Proposal,
  type QueuedProposal,
  type Rejection,
  type RejectionReason,
  type TextOptions,
  type TrackingMode,
} from './discovery/index.js';
export { ENGINE_CHOICES, type EngineChoice, EngineError, type EngineOptions } from './engine/index.js';
export {
  EXPORT_FORMATS,
  type ExportFormat,
  type ExportResultsOptions,
  exportResults,
  type ResultSummary,
  ResultWriter,
  type ResultWriterOptions,
} from './export/index.js';
export {
  type BinarySource,
  type Frame,
  FrameError,
  type FrameErrorCode,
  type FrameRange,
  type FrameSource,
  type LabelMap,
  type LiveFrame,
  type LiveSourceOptions,
  labelIds,
  liveSource,
  MaskError,
  type MaskErrorCode,
  MemoryStorage,
  type OpenedSource,
  type OpenSourceOptions,
  OutputError,
  type OutputErrorCode,
  type OutputFolder,
  openDavisSequence,
  openImageFolder,
  openOutputFolder,
  openProjectStorage,
  openSource,
  openVideo,
  type ProjectStorage,
  type ReadMaskOptions,
  type RgbaImage,
  readMask,
  SourceError,
  type SourceErrorCode,
  type SourceInput,
  type VideoSource,
} from './io/index.js';
export { type ClickedObject, type ClickOptions, simulateClicks } from './metrics/index.js';
export * from './prompts/index.js';
export * from './session/index.js';
export * from './tracking/index.js';
