/**
 * Files of weights: download, check and convert. Node only.
 * @module
 */
export { cacheFolder } from './cache-folder.js';
export { type ConvertOptions, type ConvertResult, convert } from './convert.js';
export { type DownloadOptions, type DownloadProgress, type DownloadResult, download } from './download.js';
export { type EmbeddedWeights, embeddedSegmenter, embeddedWeights } from './embedded.js';
export { hashFile } from './hash.js';
export { type Inspection, inspect } from './inspect.js';
export { type PullOptions, type PullResult, pull } from './pull.js';
export { type Verification, type VerifyOptions, verify } from './verify.js';
