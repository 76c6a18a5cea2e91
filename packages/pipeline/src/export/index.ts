/**
 * What becomes of the masks of a run: the writer of results, and other formats: GIF, cut-out video, YouTube-VOS and -VIS, MOTS, CSV and more.
 * @module
 */
export { CocoJsonWriter, type ObjectInfo } from './coco-json.js';
export { cutOut } from './cut-out.js';
export { type ExportResultsOptions, exportResults } from './export-results.js';
export type { ExportContext, Exporter } from './exporter.js';
export { EXPORT_FORMATS, type ExportFormat, openExporters } from './formats.js';
export {
  type NamedDigest,
  RESULT_FILES,
  type ResultSummary,
  ResultWriter,
  type ResultWriterOptions,
  type RunIdentity,
} from './result-writer.js';
export { ZipWriter } from './zip.js';
