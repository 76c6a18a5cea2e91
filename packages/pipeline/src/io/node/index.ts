// The Node half of `#platform`; `web/index.ts` exports the same names.
export { prepareCodecs } from './codecs.js';
export { defaultSegmenter, defaultWeights, downloadedWeights } from './default-weights.js';
export { openDavisSequence, openImageFolder, openSource, openVideo } from './open-source.js';
export { openOutputFolder } from './output-folder.js';
export { openProjectStorage } from './project-storage.js';
export { decodeImage, listFolder, readBinary } from './read.js';
