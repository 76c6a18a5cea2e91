export { cutOut } from './cut-out.js';
export { type ExportResultsOptions, exportResults } from './export-results.js';
export type { ExportContext, Exporter } from './exporter.js';
export { EXPORT_FORMATS, type ExportFormat, openExporters } from './formats.js';
export { ZipWriter } from './zip.js';
