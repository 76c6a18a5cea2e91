/** What `samtrack submit` is given: manifests, and patterns of files. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join, resolve } from 'node:path';
import { TRACK_OPTIONS } from 'samtrack/cli';
import { glob } from 'tinyglobby';
import { FarmError } from '../errors.js';

/** A video to track: arguments of `samtrack track`, without `--out`. */
export interface Video {
  argv: string[];
  name: string;
  priority?: number;
}

type Value = string | number | boolean | readonly (string | number)[];

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
  if (!/[*?[\]{}]/.test(pattern)) return [pattern];
  const found = await glob(pattern, { onlyFiles: false, expandDirectories: false, absolute: true });
  if (found.length === 0) throw new FarmError('not-found', pattern, 'nothing matches');
  return found.map((path) => path.replace(/\/$/, '')).sort();
}

const stem = (path: string) => basename(path, extname(path));

const videoOf = (source: string, options: readonly string[]): Video => ({
  argv: [
    source,
    ...options.map((text) => text.replaceAll('{name}', stem(source)).replaceAll('{folder}', dirname(source))),
  ],
  name: stem(source),
});

async function readManifest(path: string, options: readonly string[]): Promise<Video[]> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new FarmError('not-found', path, (cause as Error).message, { cause });
  });
  let content: unknown;
  try {
    content = /\.jsonl$/i.test(path)
      ? text
          .split('\n')
          .filter((line) => line.trim() !== '')
          .map((line) => JSON.parse(line))
      : JSON.parse(text);
  } catch (cause) {
    throw new FarmError('bad-spec', path, `not JSON: ${(cause as Error).message}`, { cause });
  }
  const { videos, options: shared = {} } = (Array.isArray(content) ? { videos: content } : content) as {
    videos?: unknown;
    options?: Record<string, Value>;
  };
  if (!Array.isArray(videos) || videos.length === 0) {
    throw new FarmError('bad-spec', path, 'needs "videos", a list with at least one');
  }
  return videos.map((entry, i) => {
    const where = `${path}: video ${i + 1}`;
    const { source, name, priority, ...own } = typeof entry === 'string' ? { source: entry } : (entry ?? {});
    if (typeof source !== 'string') throw new FarmError('bad-spec', where, 'needs "source", the path of a video');
    const merged = { ...shared, ...own };
    const video = videoOf(from(path, source), [...options, ...argumentsOf(merged, where, path)]);
    if (name !== undefined && typeof name !== 'string') throw new FarmError('bad-spec', where, '"name" is text');
    if (priority !== undefined && !Number.isInteger(priority)) {
      throw new FarmError('bad-spec', where, '"priority" is a whole number, 1 is the most urgent');
    }
    return { ...video, name: name ?? video.name, ...(priority === undefined ? {} : { priority }) };
  });
}

const from = (manifest: string, path: string) => (isAbsolute(path) ? path : join(dirname(resolve(manifest)), path));

function argumentsOf(options: Record<string, Value>, where: string, manifest: string): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    const known = TRACK_OPTIONS[name as keyof typeof TRACK_OPTIONS];
    if (!known) throw new FarmError('bad-spec', where, `samtrack track has no option "${name}"`);
    if (known.type === 'boolean') {
      if (typeof value !== 'boolean') throw new FarmError('bad-spec', where, `"${name}" is true or false`);
      return value ? [`--${name}`] : [];
    }
    const values = Array.isArray(value) ? value : [value];
    return values.map((one) => `--${name}=${PATHS.includes(name) ? from(manifest, String(one)) : one}`);
  });
}
