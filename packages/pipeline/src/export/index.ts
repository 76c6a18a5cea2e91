/**
 * Results in other formats: GIF, cut-out video, YouTube-VOS and -VIS, MOTS, CSV and more.
 * @module
 */
export { cutOut } from './cut-out.js';
export { type ExportResultsOptions, exportResults } from './export-results.js';
export type { ExportContext, Exporter } from './exporter.js';
export { EXPORT_FORMATS, type ExportFormat, openExporters } from './formats.js';
export { ZipWriter } from './zip.js';
