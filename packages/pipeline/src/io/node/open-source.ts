import type { Dirent } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FilePathSource } from 'mediabunny';
import { openBlobVideo } from '../blob-video.js';
import { bytesDigest } from '../content-digest.js';
import { SourceError } from '../errors.js';
import type { OpenedSource } from '../frame-source.js';
import { givenFiles, isRemote } from '../given.js';
import { IMAGE_EXTENSION, type ImageEntry, imageFiles, imageSource, stemOf } from '../image-source.js';
import { openGiven } from '../open-given.js';
import { dataSetInputs, fileInput, type RunInput } from '../run-inputs.js';
import { checkSourceOptions, type OpenSourceOptions, type SourceInput } from '../source-input.js';
import { frameNumber, type VideoSource, videoSource } from '../video-source.js';
import { isZip, zipImages } from '../zip-images.js';
import { prepareCodecs } from './codecs.js';
import { digestOfFile } from './content.js';
import { decodeTrack } from './decode.js';
import { decodeImage, readAnimation, readBinary } from './read.js';

const isFolder = async (path: string) =>
  stat(path).then(
    (s) => s.isDirectory(),
    () => false,
  );

const fileEntry = (file: string): ImageEntry => ({
  file,
  stem: stemOf(file),
  load: async () => decodeImage(await readBinary(file)),
  digest: (budget) => digestOfFile(file, budget),
});

/**
 * A folder of images in natural order. A folder `…/JPEGImages/<resolution>/<sequence>` of a DAVIS tree also gets its `annotations`.
 * Throws `SourceError` (`not-found`, `unreadable`, `no-frames`, `unsupported`) and `FrameError` for a damaged first image.
 */
export async function openImageFolder(
  folder: string,
  { fps, exclude = [] }: Pick<OpenSourceOptions, 'fps' | 'exclude'> = {},
): Promise<OpenedSource> {
  const path = resolve(folder);
  let found: Dirent[];
  try {
    found = await readdir(path, { withFileTypes: true });
  } catch (cause) {
    throw statError(folder, cause);
  }
  const [sequence, resolution, kind, root] = [
    basename(path),
    basename(dirname(path)),
    basename(resolve(path, '../..')),
    resolve(path, '../../..'),
  ];
  const annotations = join(root, 'Annotations', resolution, sequence);
  const hasAnnotations = kind === 'JPEGImages' && (await isFolder(annotations));
  const excluded = new Set(await Promise.all(exclude.map((file) => realpath(file).catch(() => resolve(file)))));
  const real = await realpath(path);
  const notes: string[] = [];
  const names: string[] = [];
  const inputs: RunInput[] = [{ path, what: 'the source', scope: 'folder' }];
  for (const entry of found) {
    if (entry.isDirectory()) continue;
    const target = entry.isSymbolicLink()
      ? await realpath(join(path, entry.name)).catch(() => '')
      : join(real, entry.name);
    if (excluded.has(target)) {
      if (IMAGE_EXTENSION.test(entry.name)) notes.push(`${join(folder, entry.name)} is the mask, and no frame`);
      continue;
    }
    names.push(entry.name);
    if (entry.isSymbolicLink()) inputs.push(fileInput(join(path, entry.name), 'a frame of the source'));
  }
  if (hasAnnotations) inputs.push(...dataSetInputs(root));
  const images = imageFiles(names);
  if (images.length === 0)
    throw new SourceError(
      'no-frames',
      folder,
      noImages(
        names,
        found.filter((entry) => entry.isDirectory()),
      ),
    );
  notes.push(...mixedKinds(images));
  const entries = images.map((name) => fileEntry(join(folder, name)));
  return imageSource(sequence, entries, {
    fps,
    annotations: hasAnnotations ? annotations : undefined,
    inputs,
    notes,
  });
}

/** Says what stands in a folder instead of images. */
function noImages(files: readonly string[], inner: readonly Dirent[]): string {
  const folders = inner.map(({ name }) => name).filter((name) => !name.startsWith('.'));
  const counts = new Map<string, number>();
  for (const kind of files.map((name) => extname(name).toLowerCase()).filter(Boolean)) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const few = (names: readonly string[]) => `${names.slice(0, 4).join(', ')}${names.length > 4 ? ' and others' : ''}`;
  const kinds = [...counts].sort(([, a], [, b]) => b - a).map(([kind, count]) => `${count} ${kind}`);
  return [
    'no jpg, png, webp or bmp images',
    ...(kinds.length > 0 ? [`there are files of other kinds (${few(kinds)})`] : []),
    ...(folders.length > 0 ? [`folders in it are not looked into (${few(folders.sort())})`] : []),
  ].join('; ');
}

/** Says where a folder holds images of several kinds: one of them may be no frame. */
function mixedKinds(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const name of names) {
    const kind = name.slice(name.lastIndexOf('.')).toLowerCase().replace('.jpeg', '.jpg');
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  if (counts.size < 2) return [];
  return [`all images of the folder are frames: ${[...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')}`];
}

/** A sequence of a DAVIS tree, `<root>/JPEGImages/<resolution>/<sequence>`. Throws as `openImageFolder`. */
export async function openDavisSequence(
  root: string,
  sequence: string,
  { resolution = '480p', fps, exclude }: Omit<OpenSourceOptions, 'sequence'> = {},
): Promise<OpenedSource> {
  return openImageFolder(join(root, 'JPEGImages', resolution, sequence), { fps, exclude });
}

/** A video: a file on disk, or a Blob. Throws `SourceError`: `not-found`, `unreadable`, `unsupported`, `no-frames`. */
export async function openVideo(input: string | Blob): Promise<VideoSource> {
  let size = 0;
  if (typeof input === 'string') {
    const info = await stat(input).catch((cause) => {
      throw statError(input, cause);
    });
    size = info.size;
  }
  await prepareCodecs();
  if (typeof input !== 'string') return openBlobVideo(input, decodeTrack);
  const source = new FilePathSource(input, { handleUnhandledError: () => {} });
  return videoSource(
    input,
    stemOf(input),
    {
      source,
      size,
      readAt: (offset, length) => readAt(input, offset, length),
      digest: () => digestOfFile(input),
      inputs: [fileInput(input, 'the source')],
    },
    decodeTrack,
  );
}

async function readAt(file: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    return bytes.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function statError(path: string, cause: unknown): SourceError {
  const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
  return new SourceError(
    missing ? 'not-found' : 'unreadable',
    path,
    missing ? 'no such file or folder' : (cause as Error).message,
    { cause },
  );
}

async function openDavisRoot(
  root: string,
  { sequence, resolution = '480p', fps, exclude }: OpenSourceOptions,
): Promise<OpenedSource> {
  const folder = join(root, 'JPEGImages', resolution);
  if (!(await isFolder(folder)))
    throw new SourceError('not-found', root, `a DAVIS folder without JPEGImages/${resolution}`);
  if (sequence) return openDavisSequence(root, sequence, { resolution, fps, exclude });
  const sequences = (await readdir(folder))
    .filter((name) => !name.startsWith('.'))
    .sort()
    .join(', ');
  throw new SourceError('bad-option', 'sequence', `${root} is a DAVIS folder; say which sequence: ${sequences}`);
}

/**
 * Opens whatever the input is: a video file, one image, a folder or a zip of images, a DAVIS folder (with `sequence`), a URL, a Blob, bytes, or a list of
 * image files.
 * Throws `SourceError`; `FrameError` if a sequence's first image is damaged.
 */
export async function openSource(given: SourceInput, options: OpenSourceOptions = {}): Promise<OpenedSource> {
  checkSourceOptions(options);
  if (typeof given === 'string' ? isRemote(given) : !(given instanceof URL && given.protocol === 'file:')) {
    return openGiven(await givenFiles(given), { decodeImage, openVideo }, options);
  }
  const input = typeof given === 'string' ? given : fileURLToPath(given as URL);
  if (await isFolder(input)) {
    if (await isFolder(join(input, 'JPEGImages'))) return openDavisRoot(input, options);
    return openImageFolder(input, options);
  }
  if (isZip(input) || IMAGE_EXTENSION.test(input) || ANIMATION_EXTENSION.test(input)) {
    await stat(input).catch((cause) => {
      throw statError(input, cause);
    });
    const inputs = [fileInput(input, 'the source')];
    if (isZip(input)) return zipImages(input, await readBinary(input), decodeImage, { ...options, inputs });
    const animation = await openAnimation(input, options);
    return animation ?? imageSource(stemOf(input), [fileEntry(input)], { ...options, inputs });
  }
  return openVideo(input);
}

/** Files of one or several pictures that are opened as such a file only, not as an image of a folder. */
const ANIMATION_EXTENSION = /\.gif$/i;

/** The pictures of an animated image, undefined for a still one. */
async function openAnimation(file: string, { fps }: OpenSourceOptions): Promise<OpenedSource | undefined> {
  let animation: Awaited<ReturnType<typeof readAnimation>>;
  const bytes = await readBinary(file);
  try {
    animation = await readAnimation(bytes);
  } catch (cause) {
    throw new SourceError('unsupported', file, (cause as Error).message, { cause });
  }
  if (!animation) return undefined;
  const { count, durations, load } = animation;
  const seconds = durations.reduce((sum, duration) => sum + duration, 0);
  const uneven = new Set(durations).size > 1;
  const entries = Array.from({ length: count }, (_, i) => {
    return { file: `${file} (picture ${i})`, stem: frameNumber(i), load: () => load(i) };
  });
  return imageSource(stemOf(file), entries, {
    fps: fps ?? (seconds > 0 ? Math.min(1000, count / seconds) : undefined),
    inputs: [fileInput(file, 'the source')],
    notes: uneven ? ['its pictures are shown for unequal times; results show each for the mean of them'] : [],
    digest: () => bytesDigest(bytes),
  });
}
