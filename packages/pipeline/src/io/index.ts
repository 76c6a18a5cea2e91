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
export { CocoJsonWriter, type ObjectInfo } from './coco-json.js';
export * from './errors.js';
export * from './frame-source.js';
export { type ImageEntry, type ImageSourceOptions, imageSource, type RgbaImage } from './image-source.js';
export * from './label-map.js';
export { type LiveFrame, type LiveSourceOptions, liveSource } from './live-source.js';
export { fitMask, type ReadMaskOptions, readMask } from './mask-read.js';
export { MemoryFolder } from './memory-folder.js';
export type { OutputFile, OutputFolder } from './output-folder.js';
export { drawOverlay, type OverlayOptions } from './overlay.js';
export { idColour, type Palette, type PaletteName, palette } from './palette.js';
export { decodeLabelPng, encodeLabelPng, type LabelPngOptions } from './palette-png.js';
export { type AppendFile, MemoryStorage, type ProjectStorage } from './project-storage.js';
export { RESULT_FILES, type ResultSummary, ResultWriter, type ResultWriterOptions } from './result-writer.js';
export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  type Rle,
  rleArea,
  rleBox,
} from './rle.js';
export type { BinarySource, OpenSourceOptions, SourceInput } from './source-input.js';
export { frameNumber, type VideoSource } from './video-source.js';
export { VideoWriter, type VideoWriterOptions } from './video-writer.js';
