export * from './errors.js';
export * from './frame-source.js';
export * from './label-map.js';
export type { OutputFile, OutputFolder } from './output-folder.js';
export type { ResultSummary, ResultWriter } from './result-writer.js';
