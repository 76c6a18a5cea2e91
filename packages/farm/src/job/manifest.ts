/** What `samtrack submit` is given: manifests, and patterns of files. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { TRACK_OPTIONS } from 'samtrack/cli';
import { glob } from 'tinyglobby';
import { FarmError } from '../errors.js';
import { LOWEST_PRIORITY } from '../queue/farm-queue.js';

/** A video to track: arguments of `samtrack track`, without `--out`. */
export interface Video {
  argv: string[];
  name: string;
  priority?: number;
  /** Where it is named: a place in a manifest, or its path. */
  where: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Options whose paths are relative to the manifest. */
const PATHS = ['mask', 'weights', 'prompts'];
const MANIFEST = /\.jsonl?$/i;

/**
 * The videos that arguments of `samtrack submit` name: manifests (`.json`, `.jsonl`), patterns, files and folders.
 * @param options arguments for all of them; in values `{name}` is a video's name without extension and `{folder}` where it is
 * @throws FarmError `bad-spec`, `not-found`
 */
export async function readVideos(sources: readonly string[], options: readonly string[]): Promise<Video[]> {
  const videos: Video[] = [];
  for (const source of sources) {
    if (MANIFEST.test(source)) videos.push(...(await readManifest(source, options)));
    else for (const path of await matching(source)) videos.push(videoOf(resolve(path), options));
  }
  return videos;
}

async function matching(pattern: string): Promise<string[]> {
  // Names of files may have in them what patterns are made of.
  if (!/[*?[\]{}]/.test(pattern) || existsSync(pattern)) return [pattern];
  const found = await glob(pattern, { onlyFiles: false, expandDirectories: false, absolute: true });
  if (found.length === 0) throw new FarmError('not-found', pattern, 'nothing matches');
  return found.map((path) => path.replace(/\/$/, '')).sort();
}

const stem = (path: string) => basename(path, extname(path));

const videoOf = (source: string, options: readonly string[], where = source): Video => ({
  argv: [
    source,
    ...options.map((text) =>
      text.replaceAll('{name}', () => stem(source)).replaceAll('{folder}', () => dirname(source)),
    ),
  ],
  name: stem(source),
  where,
});

/** An entry of a manifest, and where it stands. */
interface Entry {
  where: string;
  content: unknown;
}

async function readManifest(path: string, options: readonly string[]): Promise<Video[]> {
  const bytes = await readFile(path, 'utf8').catch((cause) => {
    throw new FarmError('not-found', path, (cause as Error).message, { cause });
  });
  const text = bytes.replace(/^\uFEFF/, '');
  const { entries, shared } = /\.jsonl$/i.test(path)
    ? { entries: linesOf(path, text), shared: {} }
    : listOf(path, jsonOf(path, text));
  if (entries.length === 0) throw new FarmError('bad-spec', path, 'needs "videos", a list with at least one');
  return entries.map(({ where, content }) => {
    const fields = typeof content === 'string' ? { source: content } : content;
    if (!isFields(fields)) throw new FarmError('bad-spec', where, 'is an object, or the path of a video');
    const { source, name, priority, ...own } = fields;
    if (typeof source !== 'string' || source === '') {
      throw new FarmError('bad-spec', where, 'needs "source", the path of a video');
    }
    const video = videoOf(from(path, source), [...options, ...argumentsOf({ ...shared, ...own }, where, path)], where);
    return { ...video, ...(name !== undefined && { name: nameOf(name, where) }), ...priorityOf(priority, where) };
  });
}

function jsonOf(where: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FarmError('bad-spec', where, `not JSON: ${(cause as Error).message}`, { cause });
  }
}

const linesOf = (path: string, text: string): Entry[] =>
  text.split('\n').flatMap((line, i) => {
    const where = `${path}: line ${i + 1}`;
    return line.trim() === '' ? [] : [{ where, content: jsonOf(where, line) }];
  });

function listOf(path: string, content: unknown): { entries: Entry[]; shared: Fields } {
  const {
    videos,
    options: shared = {},
    ...others
  }: Fields = Array.isArray(content) ? { videos: content } : isFields(content) ? content : {};
  const [stray] = Object.keys(others);
  if (stray !== undefined) throw new FarmError('bad-spec', path, `has "videos" and "options", not "${stray}"`);
  if (!isFields(shared)) throw new FarmError('bad-spec', path, '"options" is an object');
  const list = Array.isArray(videos) ? videos : [];
  return { entries: list.map((entry, i) => ({ where: `${path}: video ${i + 1}`, content: entry })), shared };
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A name, which becomes that of a folder. */
function nameOf(name: unknown, where: string): string {
  if (typeof name !== 'string' || !/^[^/\\\p{Cc}]+$/u.test(name) || /^\.+$/.test(name)) {
    throw new FarmError('bad-spec', where, '"name" is text that can be the name of a folder');
  }
  return name;
}

function priorityOf(priority: unknown, where: string): { priority?: number } {
  if (priority === undefined) return {};
  if (!Number.isInteger(priority) || (priority as number) < 1 || (priority as number) > LOWEST_PRIORITY) {
    throw new FarmError(
      'bad-spec',
      where,
      `"priority" is a whole number from 1, the most urgent, to ${LOWEST_PRIORITY}`,
    );
  }
  return { priority: priority as number };
}

const from = (manifest: string, path: string) => (isAbsolute(path) ? path : join(dirname(resolve(manifest)), path));

function argumentsOf(options: Fields, where: string, manifest: string): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const known = Object.hasOwn(TRACK_OPTIONS, name) && TRACK_OPTIONS[name as keyof typeof TRACK_OPTIONS];
    if (!known) throw new FarmError('bad-spec', where, `samtrack track has no option "${name}"`);
    if (known.type === 'boolean') {
      if (typeof value !== 'boolean') throw new FarmError('bad-spec', where, `"${name}" is true or false`);
      return value ? [`--${name}`] : [];
    }
    return (Array.isArray(value) ? value : [value]).map((one) => {
      if (typeof one !== 'string' && typeof one !== 'number') {
        throw new FarmError('bad-spec', where, `"${name}" is text, a number, or a list of them`);
      }
      return `--${name}=${PATHS.includes(name) ? from(manifest, String(one)) : one}`;
    });
  });
}
