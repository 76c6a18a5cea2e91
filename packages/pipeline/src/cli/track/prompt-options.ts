/** The options of `samtrack track` that show it objects: clicks, boxes and strokes, or a prompt file. */
import { readFileSync } from 'node:fs';
import { SourceError } from '../../io/index.js';
import { framePrompt, type PromptedObject, parsePromptFile } from '../../prompts/index.js';
import { UsageError, wholeNumber } from '../command.js';
import { boxCorners, labelledPoints, pointLine } from '../common/coordinates.js';

export const PROMPT_HELP = `Prompts, instead of a mask; coordinates in pixels of the frame:
  --point X,Y           a click on the object; X,Y,0 is a click beside it. Several, apart by blanks or each with --point
  --box X0,Y0,X1,Y1     a box around the object
  --stroke "X,Y X,Y .." a line drawn over the object
  --object NAME         its name; or name=NAME,label=CLASS. With one --object, all prompts are that object's. With
                        several, each begins its object: the prompts behind it, up to the next one, are its own.
                        Without, all prompts are of one object
  --at FRAME            the frame that the prompts are made in, from 0; default the first. Before the first of several
                        --object it is for all of them, behind one for that object. Frames before it are tracked
                        backward
  --prompts FILE        a JSON file instead, with any number of objects and frames: { "objects": [{ "name": "dog",
                        "label": "animal", "prompts": [{ "frame": 0, "points": [[320, 200], [40, 30]],
                        "labels": [1, 0] }, { "frame": 60, "box": [10, 20, 200, 180] }] }] };
                        "stroke" is a list like "points"
  --preview             write a picture of what the prompts give, preview.png, into the output folder and stop
  Two objects: --object dog --point 320,200 --point 40,30,0 --object cat --box 10,20,200,180
`;

/** Options of prompts, as `parseArgs` takes them. */
export const PROMPT_OPTIONS = {
  point: { type: 'string', multiple: true },
  box: { type: 'string', multiple: true },
  stroke: { type: 'string', multiple: true },
  object: { type: 'string', multiple: true },
  at: { type: 'string', multiple: true },
  prompts: { type: 'string' },
  preview: { type: 'boolean' },
} as const;

/** Options that say what to prompt, in the order in which they were given. */
const ORDERED = ['point', 'box', 'stroke', 'object', 'at'] as const;
type Ordered = { name: (typeof ORDERED)[number]; value: string };

/** A token of `parseArgs`. */
type Token = { readonly kind: string; readonly name?: string; readonly value?: string | undefined };

const orderedOptions = (tokens: readonly Token[]): Ordered[] =>
  tokens.filter(
    ({ kind, name, value }) =>
      kind === 'option' && (ORDERED as readonly unknown[]).includes(name) && typeof value === 'string',
  ) as Ordered[];

/**
 * The objects that the options show; undefined where there are no prompts.
 * @param tokens Of `parseArgs`: the order decides which prompt is whose.
 * @param frame The one that a prompt is made in where no option says which.
 * @throws UsageError; SessionError `bad-prompt` and SourceError for the prompt file
 */
export function promptedObjects(
  tokens: readonly Token[],
  options: { readonly prompts?: string; readonly preview?: boolean },
  frame: number,
): PromptedObject[] | undefined {
  const given = orderedOptions(tokens);
  const { prompts: file } = options;
  if (file !== undefined) {
    if (given[0]) throw new UsageError(`--${given[0].name} does not go with --prompts: the file says it all`);
    return parsePromptFile(readText(file), file);
  }
  if (given.length === 0) {
    if (options.preview) throw new UsageError('--preview needs prompts: --point, --box, --stroke or --prompts');
    return undefined;
  }
  return groups(given).map((group) => objectOf(group, frame));
}

/** @throws SourceError */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'no such file' : (cause as Error).message;
    throw new SourceError(missing ? 'not-found' : 'unreadable', file, reason, { cause });
  }
}

/** Divides the options into those of each object. */
function groups(given: readonly Ordered[]): Ordered[][] {
  const heads = given.filter(({ name }) => name === 'object');
  if (heads.length <= 1) return [[...given]];
  const first = given.indexOf(heads[0]!);
  const common = given.slice(0, first);
  const stray = common.find(({ name }) => name !== 'at');
  if (stray) {
    throw new UsageError(
      `--${stray.name} ${stray.value} stands before the first --object: with several, each begins its object`,
    );
  }
  const parts: Ordered[][] = [];
  for (const option of given.slice(first)) {
    if (option.name === 'object') parts.push([]);
    parts.at(-1)!.push(option);
  }
  return parts.map((part) => (part.some(({ name }) => name === 'at') ? part : [...common, ...part]));
}

function objectOf(given: readonly Ordered[], first: number): PromptedObject {
  const values = (wanted: Ordered['name']) => given.filter(({ name }) => name === wanted).map(({ value }) => value);
  const described = describe(values('object')[0]);
  const title = described.name === undefined ? '' : ` of "${described.name}"`;
  const [at, ...otherFrames] = values('at');
  const [box, ...otherBoxes] = values('box');
  const [stroke, ...otherStrokes] = values('stroke');
  if (otherFrames.length > 0)
    throw new UsageError(`several --at${title}: prompts in several frames go into --prompts FILE`);
  if (otherBoxes.length > 0)
    throw new UsageError(`several --box${title}: an object has one; other objects begin with --object`);
  if (otherStrokes.length > 0)
    throw new UsageError(`several --stroke${title}: an object has one; other objects begin with --object`);
  const points = values('point').flatMap((text) => labelledPoints('point', text));
  const clicks = points.length > 0 && {
    points: points.map(({ point }) => point),
    labels: points.map(({ label }) => label),
  };
  const prompt = framePrompt(wholeNumber('at', at) ?? first, {
    ...clicks,
    box: box === undefined ? undefined : boxCorners('box', box),
    stroke: stroke === undefined ? undefined : pointLine('stroke', stroke),
  });
  if (!prompt) throw new UsageError(`there is no --point, --box or --stroke${title}`);
  return { ...described, prompts: [prompt] };
}

/** Name and class: "dog", "name=dog" or "name=dog,label=animal". */
function describe(text: string | undefined): { name?: string; label?: string } {
  if (text === undefined) return {};
  const described: { name?: string; label?: string } = {};
  for (const part of text.includes('=') ? text.split(',') : [`name=${text}`]) {
    const [, key, value] = /^\s*(name|label)\s*=\s*(.*\S)\s*$/.exec(part) ?? [];
    if (key === undefined || described[key as 'name' | 'label'] !== undefined) {
      throw new UsageError(`--object is NAME, name=NAME or name=NAME,label=CLASS, not "${text}"`);
    }
    described[key as 'name' | 'label'] = value!;
  }
  return described;
}

/**
 * What does not go with prompts.
 * @param later Whether an object is shown in another frame than the first.
 * @throws UsageError
 */
export function checkPromptUse(
  options: { readonly mask?: string; readonly mode?: string; readonly resume?: boolean },
  later: boolean,
): void {
  if (options.mask !== undefined) throw new UsageError('--mask does not go with prompts: both say what to track');
  if (options.mode === 'automatic') {
    throw new UsageError(
      '--mode automatic finds the objects of the first frame itself; with prompts it is --mode fusion',
    );
  }
  if (!later) return;
  const unfit = (['mode', 'resume'] as const).find((name) => options[name] !== undefined);
  if (unfit) throw new UsageError(`--${unfit} needs all prompts in the first frame`);
}
