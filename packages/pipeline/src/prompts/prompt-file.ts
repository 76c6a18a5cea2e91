import type { Box, Point } from '../assist/index.js';
import { SessionError } from '../session/errors.js';
import { type FramePrompt, framePrompt, type PromptedObject } from './prompted-object.js';

/** Reads values of a JSON document, and says where one is that does not fit. */
class Reader {
  constructor(
    private readonly file: string,
    private readonly path: string,
    private readonly value: unknown,
  ) {}

  fail(expected: string): never {
    const found = this.value === undefined ? 'missing' : JSON.stringify(this.value).slice(0, 60);
    throw new SessionError(
      'bad-prompt',
      `${this.file}: ${this.path || 'the file'} should be ${expected}, it is ${found}`,
    );
  }

  get isThere(): boolean {
    return this.value !== undefined;
  }

  /** The fields of an object, which may have these names and no others. */
  fields<Name extends string>(names: readonly Name[]): Record<Name, Reader> {
    const { value } = this;
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(`an object with ${names.join(', ')}`);
    const stray = Object.keys(value).find((key) => !(names as readonly string[]).includes(key));
    if (stray !== undefined) {
      const where = this.path ? `${this.path} has` : 'the file has';
      throw new SessionError(
        'bad-prompt',
        `${this.file}: ${where} the unknown key "${stray}"; it may have ${names.join(', ')}`,
      );
    }
    const path = (name: string) => (this.path ? `${this.path}.${name}` : name);
    const entries = names.map((name) => [
      name,
      new Reader(this.file, path(name), (value as Record<string, unknown>)[name]),
    ]);
    return Object.fromEntries(entries) as Record<Name, Reader>;
  }

  list(expected: string): Reader[] {
    if (!Array.isArray(this.value)) this.fail(expected);
    return (this.value as unknown[]).map((item, i) => new Reader(this.file, `${this.path}[${i}]`, item));
  }

  text(): string {
    if (typeof this.value !== 'string' || this.value.trim() === '') this.fail('a text');
    return this.value as string;
  }

  numbers(count: number, expected: string): number[] {
    const { value } = this;
    const fits = Array.isArray(value) && value.length === count && value.every((part) => Number.isFinite(part));
    return fits ? (value as number[]) : this.fail(expected);
  }

  wholeNumber(): number {
    const { value } = this;
    return Number.isInteger(value) && (value as number) >= 0 ? (value as number) : this.fail('a whole number');
  }
}

const points = (reader: Reader): Point[] =>
  reader.list('a list of [x, y]').map((point) => point.numbers(2, '[x, y]') as unknown as Point);

function promptOf(reader: Reader): FramePrompt {
  const { frame, points: shown, labels, box, stroke } = reader.fields(['frame', 'points', 'labels', 'box', 'stroke']);
  const at = shown.isThere ? points(shown) : undefined;
  const marks = labels.isThere
    ? labels.list('a list with 1 (on the object) or 0 (beside it) for each point').map((label) => label.wholeNumber())
    : at?.map(() => 1);
  if (marks && !at) labels.fail('left out where there are no points');
  const prompt = framePrompt(frame.wholeNumber(), {
    points: at,
    labels: marks,
    box: box.isThere ? (box.numbers(4, '[x0, y0, x1, y1]') as unknown as Box) : undefined,
    stroke: stroke.isThere ? points(stroke) : undefined,
  });
  return prompt ?? reader.fail('a prompt with points, a box or a stroke');
}

/**
 * Reads a prompt file:
 *
 *     { "objects": [
 *       { "name": "dog", "label": "animal", "prompts": [
 *         { "frame": 0, "points": [[320, 200], [40, 30]], "labels": [1, 0] },
 *         { "frame": 60, "box": [10, 20, 200, 180] } ] } ] }
 *
 * An object may have a name and a label (its class); a prompt has a frame, and points with labels, a box or a stroke.
 * @param file What messages call it.
 * @throws SessionError `bad-prompt` naming file and key
 */
export function parsePromptFile(text: string, file: string): PromptedObject[] {
  let value: unknown;
  try {
    // Some editors put a byte order mark first.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new SessionError('bad-prompt', `${file}: no JSON: ${(cause as Error).message}`, { cause });
  }
  const { objects } = new Reader(file, '', value).fields(['objects']);
  const all = objects.list('a list of objects').map((object): PromptedObject => {
    const { name, label, prompts } = object.fields(['name', 'label', 'prompts']);
    return {
      ...(name.isThere ? { name: name.text() } : {}),
      ...(label.isThere ? { label: label.text() } : {}),
      prompts: prompts.list('a list of prompts').map(promptOf),
    };
  });
  if (all.length === 0) objects.fail('a list with at least one object');
  return all;
}
