export { parsePromptFile } from './prompt-file.js';
export { type PromptedFrame, promptedInfos, promptedMasks } from './prompted-masks.js';
export {
  checkPromptedObjects,
  type FramePrompt,
  framePrompt,
  type PromptBounds,
  type PromptedObject,
} from './prompted-object.js';
