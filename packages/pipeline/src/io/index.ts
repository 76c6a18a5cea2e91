/**
 * Sources of frames, masks, and results: everything that reads or writes files. No GPU.
 * @module
 */
export {
  openDavisSequence,
  openImageFolder,
  openOutputFolder,
  openProjectStorage,
  openSource,
  openVideo,
  prepareCodecs,
} from '#platform';
export { clipSource } from './clip-source.js';
export { blobDigest, bytesDigest, type Content, contentDigest } from './content-digest.js';
export * from './errors.js';
export * from './frame-source.js';
export { type ImageEntry, type ImageSourceOptions, imageSource, type RgbaImage } from './image-source.js';
export * from './label-map.js';
export { type LiveFrame, type LiveSourceOptions, liveSource } from './live-source.js';
export {
  fitMask,
  interpretMask,
  MASK_READINGS,
  type MaskPicture,
  type MaskReading,
  type MaskReadingName,
  maskPicture,
  type ReadMaskOptions,
  readMask,
} from './mask/index.js';
export { MemoryFolder } from './memory-folder.js';
export type { OutputFile, OutputFolder } from './output-folder.js';
export { drawOverlay, type OverlayOptions } from './overlay.js';
export { checkOwnedFile, makeOwnedFile, writeOwnedFile } from './owned-file.js';
export { type ClaimOptions, HIDDEN_RECORD, OwnedFolder } from './owned-folder.js';
export { idColour, type Palette, type PaletteName, palette } from './palette.js';
export { decodeLabelPng, encodeLabelPng, type LabelPngOptions } from './palette-png.js';
export { type AppendFile, MemoryStorage, type ProjectStorage } from './project-storage.js';
export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  type Rle,
  rleArea,
  rleBbox,
} from './rle.js';
export { dataSetInputs, fileInput, projectInputs, type RunInput } from './run-inputs.js';
export type { BinarySource, OpenSourceOptions, SourceInput } from './source-input.js';
export { frameNumber, type VideoSource } from './video-source.js';
export { VideoWriter, type VideoWriterOptions } from './video-writer.js';
