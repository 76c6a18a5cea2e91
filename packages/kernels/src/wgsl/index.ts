export {
  MAX_UNIFORM_WORDS,
  readBindings,
  readInterface,
  type WgslInterface,
  WgslInterfaceError,
} from './interface.js';
export { lintWgsl } from './lint.js';
export { preprocess, readTemplate, type WgslParams, WgslTemplateError } from './preprocess.js';
