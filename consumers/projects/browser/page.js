import * as samtrack from 'samtrack';
import { trackThreeFrames } from './track.js';

/** @param makeWorker A bundler sees where a worker's script is only where the worker is made. */
export const page = (weights, makeWorker) => {
  globalThis.trackInPage = () => trackThreeFrames(samtrack, weights);
  globalThis.trackInWorker = () =>
    new Promise((resolve, reject) => {
      const worker = makeWorker();
      worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.areas));
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(weights);
    });
};
