export { readInterface, type WgslInterface, WgslInterfaceError } from './interface.js';
export { lintWgsl } from './lint.js';
export { preprocess, type WgslParams, WgslTemplateError } from './preprocess.js';
