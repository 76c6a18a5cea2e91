/**
 * Reading and writing model weights: safetensors, PyTorch `.pth` and procedural manifests behind one interface. No GPU.
 * @module
 */
export { type Architecture, describeArchitecture, detectArchitecture, modelNames } from './architecture.js';
export { BlobSource, type ByteSource, MemorySource } from './byte-source.js';
export { CheckpointError, type CheckpointErrorCode, type CheckpointErrorFields } from './error.js';
export { decodeBf16, decodeF16, encodeBf16, encodeF16, f16ToF32, f32ToF16 } from './half.js';
export { withOfficialKeys } from './key-maps/index.js';
export { type CheckpointInput, type OpenCheckpointOptions, openByteSource, openCheckpoint } from './open.js';
export { type Manifest, type ManifestTensor, openManifest, proceduralTensor } from './procedural.js';
export { openPyTorchLegacy, openPyTorchZip } from './pytorch.js';
export {
  openSafetensors,
  type SafetensorsEntry,
  type StreamedSafetensorsEntry,
  streamSafetensors,
  type WriteSafetensorsOptions,
  writeSafetensors,
} from './safetensors.js';
export { type StoredAsOptions, storedAs } from './stored-as.js';
export {
  BYTES_PER_ELEMENT,
  type Checkpoint,
  type DType,
  type FloatTensor,
  type LoadProgress,
  type LocationOptions,
  type RawTensor,
  type ReadOptions,
  type TensorInfo,
} from './types.js';
export { WeightReader } from './weight-reader.js';
