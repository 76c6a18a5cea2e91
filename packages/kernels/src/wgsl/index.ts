export { lintWgsl } from './lint.js';
export { preprocess, type WgslParams, WgslTemplateError } from './preprocess.js';
