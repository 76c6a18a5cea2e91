import type { Segmenter } from '../assist/index.js';
import type { ObjectInfo } from '../export/index.js';
import { emptyLabelMap, type Frame, type FrameSource, type LabelMap } from '../io/index.js';
import { SessionError } from '../session/errors.js';
import { resolvePrompt } from '../session/resolve-prompt.js';
import { asPrompt, type FramePrompt, type PromptedObject, titleOf } from './prompted-object.js';

/** A frame with the masks that prompts gave. Id `k` is the k-th object. */
export interface PromptedFrame {
  frame: Frame;
  labels: LabelMap;
  /** The objects that are shown in the frame, and the pixels that are theirs. */
  objects: readonly { id: number; prompt: FramePrompt; area: number }[];
}

/** Names and classes by id, as results take them. */
export const promptedInfos = (objects: readonly PromptedObject[]): Map<number, ObjectInfo> =>
  new Map(
    objects.flatMap(({ name, label }, i) =>
      name === undefined && label === undefined ? [] : [[i + 1, { ...(name && { name }), ...(label && { label }) }]],
    ),
  );

/**
 * Turns checked prompts into masks, frame by frame in ascending order. Small objects lie upon large ones.
 * @throws SessionError `nothing-found` naming the object where the segmenter finds nothing, or where others cover what it finds;
 *   `out-of-range` where the source ends before a frame; FrameError; the signal's reason
 */
export async function promptedMasks(
  source: FrameSource,
  objects: readonly PromptedObject[],
  segmenter: Segmenter,
  { signal, onProgress }: { signal?: AbortSignal | undefined; onProgress?: (fraction: number) => void } = {},
): Promise<PromptedFrame[]> {
  const wanted = objects.flatMap((object, i) =>
    object.prompts.map((prompt) => ({ id: i + 1, title: titleOf(object, i), prompt })),
  );
  const indices = [...new Set(wanted.map(({ prompt }) => prompt.frame))].sort((a, b) => a - b);
  const results: PromptedFrame[] = [];
  let done = 0;
  for (const index of indices) {
    const shown = wanted.filter(({ prompt }) => prompt.frame === index);
    const frame = await frameAt(source, index, shown[0]!.title, signal);
    const found: { id: number; title: string; prompt: FramePrompt; pixels: Uint8Array; area: number }[] = [];
    for (const { id, title, prompt } of shown) {
      signal?.throwIfAborted();
      const pixels = await maskOf(frame, prompt, title, segmenter, signal);
      found.push({ id, title, prompt, pixels, area: pixels.reduce((sum, pixel) => sum + pixel, 0) });
      onProgress?.(++done / wanted.length);
    }
    results.push(paint(frame, found));
  }
  return results;
}

async function frameAt(source: FrameSource, index: number, title: string, signal?: AbortSignal): Promise<Frame> {
  for await (const frame of source.frames({ from: index, to: index + 1, signal })) return frame;
  throw new SessionError('out-of-range', `${title}: ${source.name} ends before frame ${index}`);
}

async function maskOf(
  frame: Frame,
  prompt: FramePrompt,
  title: string,
  segmenter: Segmenter,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { prompt: shown, earlier } = asPrompt(prompt);
  try {
    const [mask] = await resolvePrompt({ ...shown, signal }, undefined, {
      frame: async () => frame,
      segmenter,
      size: frame,
      labels: emptyLabelMap(frame.width, frame.height),
      earlier,
    });
    return mask!.pixels;
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    throw new SessionError(error.code, `${title}: ${error.message}`, { cause: error });
  }
}

function paint(
  frame: Frame,
  found: readonly { id: number; title: string; prompt: FramePrompt; pixels: Uint8Array; area: number }[],
): PromptedFrame {
  const labels = emptyLabelMap(frame.width, frame.height);
  for (const { id, pixels } of [...found].sort((a, b) => b.area - a.area)) {
    for (let i = 0; i < pixels.length; i++) if (pixels[i]) labels.data[i] = id;
  }
  const objects = found.map(({ id, title, prompt }) => {
    const area = labels.data.reduce((sum, value) => sum + (value === id ? 1 : 0), 0);
    if (area === 0) {
      throw new SessionError(
        'nothing-found',
        `${title}: other objects cover all that is found of it in frame ${frame.index}`,
      );
    }
    return { id, prompt, area };
  });
  return { frame, labels, objects };
}
