export { parsePromptFile } from './prompt-file.js';
export { checkPromptedObjects, type FramePrompt, type PromptBounds, type PromptedObject } from './prompted-object.js';
export { type PromptedFrame, promptedInfos, promptedMasks } from './prompted-masks.js';
