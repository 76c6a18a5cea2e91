import { CaptionError, type CaptionTokens, preprocessCaption } from './text/index.js';

/** A stretch of a caption: UTF-16 offsets, the second one exclusive. */
export type Span = readonly [start: number, end: number];

/** A phrase of a caption, in one stretch or several. */
export type PhraseSpans = readonly Span[];

/**
 * Which tokens belong to which phrase: row-major [phrases, L], each row 1 / (count + 1e-6) at the phrase's tokens
 * (GroundingDINO, `util/vl_utils.py`, `create_positive_map_from_span`). A row is zero where all of its tokens were cut off.
 *
 * @param phrases In offsets of `caption.text`. White space and punctuation that is no token may stand at their ends.
 * @throws CaptionError `bad-span` for a phrase without text in the caption.
 */
export function positiveMap(caption: CaptionTokens, phrases: readonly PhraseSpans[]): Float32Array {
  const length = caption.ids.length;
  const map = new Float32Array(phrases.length * length);
  for (const [p, spans] of phrases.entries()) {
    for (const span of spans) checkSpan(span, caption.text);
    if (spans.length === 0) throw new CaptionError('bad-span', `Phrase ${p} has no spans.`);
    const covered = caption.offsets.flatMap((offset, token) =>
      offset && spans.some(([start, end]) => offset[0] < end && offset[1] > start) ? [token] : [],
    );
    for (const token of covered) map[p * length + token] = 1 / (covered.length + 1e-6);
  }
  return map;
}

function checkSpan([start, end]: Span, text: string): void {
  const whole = Number.isInteger(start) && Number.isInteger(end);
  if (!whole || start < 0 || end > text.length || text.slice(start, end).trim() === '') {
    throw new CaptionError(
      'bad-span',
      `There is no text at [${start}, ${end}] of the caption ${JSON.stringify(text)}.`,
    );
  }
}

/** Words of a phrase's spans, as the published command line writes them. */
export const phraseText = (text: string, spans: PhraseSpans): string =>
  spans.map(([start, end]) => text.slice(start, end).trim()).join(' ');

/**
 * Spans of a caption as the user wrote it, in the caption as it is tokenized.
 * `preprocessCaption` takes white space from its beginning; where lower case takes more characters, spans move along.
 */
export function spansInPreprocessed(caption: string, phrases: readonly PhraseSpans[]): PhraseSpans[] {
  for (const span of phrases.flat()) checkSpan(span, caption);
  const lower = caption.toLowerCase();
  const trimmed = lower.indexOf(preprocessCaption(caption).slice(0, -1));
  const at = (offset: number) => Math.max(0, caption.slice(0, offset).toLowerCase().length - trimmed);
  return phrases.map((spans) => spans.map(([start, end]) => [at(start), at(end)]));
}

/** A caption that asks for classes, and where each of them stands in it. */
export interface ClassCaption {
  /** `cat . remote control .` */
  readonly caption: string;
  readonly spans: readonly PhraseSpans[];
}

/**
 * The caption that asks for classes one by one (GroundingDINO, `util/vl_utils.py`, `build_captions_and_token_span`).
 * @throws CaptionError `no-classes`, or `bad-class` for one without a name.
 */
export function classCaption(classes: readonly string[]): ClassCaption {
  if (classes.length === 0) throw new CaptionError('no-classes', 'There are no classes to look for.');
  let caption = '';
  const spans = classes.map((name, index) => {
    const text = className(name, index);
    const span = [caption.length, caption.length + text.length] as const;
    caption += `${text} . `;
    return [span];
  });
  return { caption: caption.trimEnd(), spans };
}

function className(name: string, index: number): string {
  try {
    return preprocessCaption(name).replace(/[\s.]+$/, '');
  } catch (cause) {
    throw new CaptionError('bad-class', `Class ${index} has no name: ${JSON.stringify(name)}.`, { cause });
  }
}
