import type { PredictOptions, SamMask, SamPredictor } from './predictor.js';
import type { SamPrompt } from './prompt.js';

/** Masks from the best to the worst by predicted IoU; equal ones in the order given. */
export const byPredictedIou = (masks: readonly SamMask[]): SamMask[] =>
  [...masks].sort((a, b) => b.predictedIou - a.predictedIou);

/**
 * Two passes, as SAM-Track refines clicks and boxes: of the three masks of the prompt, the best by predicted IoU is shown
 * to the network together with the same prompt.
 *
 * @returns The three masks of the second pass, best first.
 * @throws as `SamPredictor.predict`.
 */
export async function predictRefined(
  predictor: SamPredictor,
  prompt: SamPrompt,
  options: Omit<PredictOptions, 'masks'> = {},
): Promise<SamMask[]> {
  const { onProgress, ...rest } = options;
  const [best] = byPredictedIou(await predictor.predict(prompt, { ...rest, logits: false, masks: 'multi' }));
  onProgress?.(0.5);
  const refined = await predictor.predict({ ...prompt, mask: best!.lowRes }, { ...rest, masks: 'multi' });
  onProgress?.(1);
  return byPredictedIou(refined);
}
