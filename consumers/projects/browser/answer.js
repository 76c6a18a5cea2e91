import { trackThreeFrames } from './track.js';

/** Makes a worker track for its page. */
export const answer = (samtrack) => {
  self.onmessage = async ({ data: weights }) => {
    try {
      postMessage({ areas: await trackThreeFrames(samtrack, weights) });
    } catch (error) {
      postMessage({ error: String(error?.stack ?? error) });
    }
  };
};
