/** Prompts of a run of `samtrack track`: turning them into masks, saying what came of them, and drawing it. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Segmenter } from '../../assist/index.js';
import { type EngineOptions, openEngine } from '../../engine/index.js';
import type { ResultSummary } from '../../export/index.js';
import {
  checkOwnedFile,
  drawOverlay,
  type FrameSource,
  idColour,
  type LabelMap,
  labelIds,
  OutputError,
  palette,
  type RunInput,
  writeOwnedFile,
} from '../../io/index.js';
import { type FramePrompt, type PromptedFrame, type PromptedObject, promptedMasks } from '../../prompts/index.js';
import type { Session } from '../../session/index.js';
import type { TrackingHost } from '../common/tracking-host.js';

/** From this share of a frame on, what prompts give is rather its background than an object. */
const WHOLE = 0.95;

/** Names an object in a message: its id and what it is called. */
const titleOf = ({ name }: PromptedObject, id: number): string => (name === undefined ? `${id}` : `${id} (${name})`);

/** Asks the segmenter for the masks, and says how large each of them is. Throws as `promptedMasks`. */
export async function showPrompts(
  source: FrameSource,
  objects: readonly PromptedObject[],
  segmenter: Segmenter,
  { report, signal }: TrackingHost,
): Promise<PromptedFrame[]> {
  const onProgress = (fraction: number) => report.progress(`segmenting, ${Math.round(100 * fraction)} %`, fraction);
  const frames = await promptedMasks(source, objects, segmenter, { signal, onProgress });
  report.end();
  for (const { frame, objects: shown } of frames) {
    const areas = shown.map(({ id, area }) => `${titleOf(objects[id - 1]!, id)}: ${area} pixels`);
    report.note(`frame ${frame.name}: ${areas.join(', ')}`);
    for (const { id, area } of shown) {
      const share = area / (frame.width * frame.height);
      if (share < WHOLE) continue;
      report.note(
        `note: ${titleOf(objects[id - 1]!, id)} covers ${Math.floor(1000 * share) / 10} % of frame ${frame.name}, rather its background than an object; ` +
          'another point, one beside the object (X,Y,0), or a box shows it better',
      );
    }
  }
  return frames;
}

/** The prompts as a drawing: clicks on an object are filled, those beside it are crossed out. */
function promptsSvg({ frame: { width, height }, objects }: PromptedFrame): string {
  const unit = Math.max(1.5, Math.min(width, height) / 240);
  const colours = palette('samtrack');
  const line = (points: FramePrompt['points'] = []) => points.map((point) => point.join(',')).join(' ');
  const drawn = objects.flatMap(({ id, prompt: { points = [], labels = [], box, stroke } }) => {
    const paint = `rgb(${idColour(colours, id).slice(0, 3).join(',')})`;
    // Each mark twice: a wide white one below stays visible on the mask of the same colour.
    const twice = (shape: (style: string) => string) => [
      shape(`fill="none" stroke="white" stroke-width="${unit * 2.5}"`),
      shape(`fill="none" stroke="${paint}" stroke-width="${unit}"`),
    ];
    const marks = points.flatMap(([x, y], i) => {
      const [cx, cy, r] = [x + 0.5, y + 0.5, unit * 3];
      if (labels[i] !== 0)
        return [`<circle cx="${cx}" cy="${cy}" r="${r}" fill="${paint}" stroke="white" stroke-width="${unit}"/>`];
      const cross = `M${cx - r},${cy - r}L${cx + r},${cy + r}M${cx - r},${cy + r}L${cx + r},${cy - r}`;
      return twice((style) => `<path d="${cross}" ${style}/>`);
    });
    const [x0, y0, x1, y1] = box ?? [0, 0, 0, 0];
    return [
      ...(box ? twice((style) => `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" ${style}/>`) : []),
      ...(stroke ? twice((style) => `<polyline points="${line(stroke)}" stroke-linecap="round" ${style}/>`) : []),
      ...marks,
    ];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawn.join('')}</svg>`;
}

/** What a session, whose frame 0 is the source's frame `from`, is annotated with: masks that prompts gave. */
function annotationsOf(frames: readonly PromptedFrame[], from: number): { frame: number; mask: LabelMap }[] {
  const known = new Set<number>();
  return frames.flatMap(({ frame, labels }) => {
    // New objects by themselves: they alone are then tracked backward.
    const parts = [false, true].map((isNew) => ({
      ...labels,
      data: labels.data.map((id) => (known.has(id) === isNew ? 0 : id)),
    }));
    for (const id of labelIds(labels)) known.add(id);
    return parts.filter(({ data }) => data.some((id) => id > 0)).map((mask) => ({ frame: frame.index - from, mask }));
  });
}

/** Whether a session began with what prompts show. Throws as `showPrompts`. */
export async function beganWithPrompts(session: Session, from: number, ...shown: Parameters<typeof showPrompts>) {
  return session.beganWith(...annotationsOf(await showPrompts(...shown), from));
}

/** Begins a session, whose frame 0 is the source's frame `from`, with the objects that prompts show. */
export async function promptSession(
  session: Session,
  source: FrameSource,
  from: number,
  objects: readonly PromptedObject[],
  segmenter: Segmenter,
  host: TrackingHost,
): Promise<void> {
  for (const { frame, mask } of annotationsOf(await showPrompts(source, objects, segmenter, host), from)) {
    await session.prompt({ frame, mask, signal: host.signal });
  }
  for (const [i, { name, label }] of objects.entries()) {
    if (name !== undefined || label !== undefined)
      await session.update(i + 1, { ...(name && { name }), ...(label && { label }) });
  }
}

/** `--preview`: opens the engine, asks the segmenter, and writes pictures into the folder. Throws as `showPrompts`, and OutputError. */
export async function previewPrompts(
  source: FrameSource,
  objects: readonly PromptedObject[],
  segmenter: Segmenter,
  folder: string,
  existing: 'error' | 'replace' | 'resume' | 'renew',
  engine: EngineOptions,
  host: TrackingHost,
): Promise<{ summary: ResultSummary }> {
  const overwrite = existing === 'replace';
  const shown = [...new Set(objects.flatMap(({ prompts }) => prompts.map(({ frame }) => frame)))];
  const known = shown.length === 1 ? [''] : source.frameNames && shown.map((frame) => source.frameNames![frame]!);
  if (known) await checkPreview(previewFiles(folder, known), overwrite, source.inputs);
  const opened = await openEngine(engine);
  host.report.note(opened.reason);
  try {
    const frames = await showPrompts(source, objects, segmenter, host);
    const files = await writePreview(folder, frames, overwrite, source.inputs);
    return { summary: { frames: 0, complete: true, files, warnings: [] } };
  } finally {
    segmenter.dispose();
    opened.close();
  }
}

/** Where the pictures of frames of these names go. */
const previewFiles = (folder: string, frames: readonly string[]) =>
  frames.map((name) => join(folder, frames.length > 1 ? `preview-${name}.png` : 'preview.png'));

/** Refuses pictures that are there, unless they may be overwritten and samtrack made them. Throws OutputError. */
async function checkPreview(
  files: readonly string[],
  overwrite: boolean,
  inputs: readonly RunInput[] = [],
): Promise<void> {
  for (const file of files) {
    if (!overwrite && existsSync(file)) {
      throw new OutputError('not-empty', file, 'is there already; --overwrite replaces it if samtrack made it');
    }
    await checkOwnedFile(file, inputs);
  }
}

/**
 * Draws masks and prompts over each prompted frame: `preview.png` into the folder, or `preview-NAME.png` where there are several.
 * @returns their names
 * @throws OutputError where a file of that name is there, unless it may be overwritten
 */
async function writePreview(
  folder: string,
  frames: readonly PromptedFrame[],
  overwrite: boolean,
  inputs: readonly RunInput[] = [],
): Promise<string[]> {
  const files = previewFiles(
    folder,
    frames.map(({ frame }) => frame.name),
  );
  await checkPreview(files, overwrite, inputs);
  const { default: sharp } = await import('sharp');
  for (const [i, prompted] of frames.entries()) {
    const { width, height, rgba } = prompted.frame;
    const overlay = drawOverlay(rgba, prompted.labels, { contour: 'object' });
    const png = await sharp(overlay, { raw: { width, height, channels: 4 } })
      .composite([{ input: Buffer.from(promptsSvg(prompted)) }])
      .removeAlpha()
      .png()
      .toBuffer();
    await writeOwnedFile(files[i]!, png, inputs);
  }
  return files.map((file) => basename(file));
}
