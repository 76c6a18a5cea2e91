import { SessionError } from '../session/errors.js';
import {
  type BoxPrompt,
  checkPrompt,
  type Disjoint,
  type PointsPrompt,
  type Prompt,
  type PromptRecord,
  type StrokePrompt,
} from '../session/prompt.js';

/** What shows an object: points, a box or a stroke, or a stroke beside points or a box. */
type Shown = Disjoint<
  | (Omit<PointsPrompt, 'extend'> & Partial<Pick<StrokePrompt, 'stroke'>>)
  | (Omit<BoxPrompt, 'extend'> & Partial<Pick<StrokePrompt, 'stroke'>>)
  | Omit<StrokePrompt, 'extend'>
>;

/** What shows an object in one frame. */
export type FramePrompt = Shown & {
  /** 0-based index of the frame in the source. */
  readonly frame: number;
};

/** The prompt that its parts make; undefined where there are none. */
export function framePrompt(
  frame: number,
  { points, labels, box, stroke }: { [K in 'points' | 'labels' | 'box' | 'stroke']?: FramePrompt[K] },
): FramePrompt | undefined {
  const line = stroke ? { stroke } : {};
  if (points) return { frame, points, ...(labels && { labels }), ...(box && { box }), ...line };
  if (box) return { frame, box, ...line };
  return stroke && { frame, stroke };
}

/** The same as a session takes it: a stroke beside points or a box goes on with them. */
export function asPrompt(prompt: FramePrompt): { prompt: Prompt; earlier?: PromptRecord } {
  const { stroke, ...shown } = prompt;
  if (!stroke) return { prompt: shown as Exclude<typeof shown, { points?: undefined; box?: undefined }> };
  const { frame, ...earlier } = shown;
  return { prompt: { frame, stroke }, ...(earlier.points || earlier.box ? { earlier } : {}) };
}

/** An object that is shown in one or several frames. */
export interface PromptedObject {
  /** Nobody else's. */
  readonly name?: string;
  /** Class. */
  readonly label?: string;
  /** One for each frame that it is shown in; at least one. */
  readonly prompts: readonly FramePrompt[];
}

/** What prompts have to fit: the source, and the frames of it that count. */
export interface PromptBounds {
  name: string;
  width: number;
  height: number;
  /** First frame. */
  from: number;
  /** The frame behind the last one; undefined where the source's end is not known. */
  to: number | undefined;
}

/** What messages call an object. */
export const titleOf = ({ name }: PromptedObject, index: number): string =>
  name === undefined ? `object ${index + 1}` : `object "${name}"`;

const bad = (message: string): never => {
  throw new SessionError('bad-prompt', message);
};

/**
 * Checks what can be told without a segmenter.
 * @throws SessionError `bad-prompt` for a prompt that says nothing, lies outside of the frame or has a box without area, and for two
 *   objects of one name; `out-of-range` for a frame that is not there. The message names the object and the frame.
 */
export function checkPromptedObjects(objects: readonly PromptedObject[], bounds: PromptBounds): void {
  const seen = new Set<string>();
  for (const [i, object] of objects.entries()) {
    const title = titleOf(object, i);
    const { name, prompts } = object;
    if (name !== undefined && seen.has(name)) bad(`two objects are named "${name}"; each needs a name of its own`);
    if (name !== undefined) seen.add(name);
    if (prompts.length === 0) bad(`${title} has no prompts: it needs a point, a box or a stroke`);
    const frames = new Set<number>();
    for (const prompt of prompts) {
      const { frame } = prompt;
      if (frames.has(frame)) bad(`${title} is prompted twice in frame ${frame}; its prompts there belong together`);
      frames.add(frame);
      checkFrame(title, frame, bounds);
      checkShown(title, prompt, bounds);
    }
  }
}

function checkFrame(title: string, frame: number, { name, from, to }: PromptBounds): void {
  if (Number.isInteger(frame) && frame >= from && (to === undefined || frame < to)) return;
  const end = to === undefined ? 'on' : `to ${to - 1}`;
  throw new SessionError(
    'out-of-range',
    `${title}: there is no frame ${frame}; ${name} is tracked from ${from} ${end}`,
  );
}

function checkShown(title: string, shown: FramePrompt, bounds: PromptBounds): void {
  const { frame, points, labels, box, stroke } = shown;
  const where = `${title}, frame ${frame}`;
  if (!box && !stroke) {
    if (!points?.length) bad(`${where}: there is no point, box or stroke`);
    if (labels?.every((label) => label === 0)) {
      bad(`${where}: all points are beside the object; it needs one on it, a box or a stroke`);
    }
  }
  try {
    const { prompt, earlier } = asPrompt(shown);
    checkPrompt(prompt, bounds);
    if (earlier) checkPrompt({ frame, ...earlier } as Prompt, bounds);
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    throw new SessionError(error.code, `${title}: ${error.message}`, { cause: error });
  }
}
