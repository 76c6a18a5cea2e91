import { listFolder, readBinary } from '#platform';
import { EvaluationError } from './errors.js';

/** A video of YouTube-VOS and what is asked of it. */
export interface YouTubeVosVideo {
  name: string;
  /** Frames that `meta.json` lists for any object, ascending: those that a submission holds. */
  frames: string[];
  objects: { id: number; category?: string }[];
}

interface Meta {
  videos?: Record<string, { objects?: Record<string, { category?: string; frames?: string[] }> }>;
}

/**
 * Videos of a YouTube-VOS split: the folder with `JPEGImages`, `Annotations` and `meta.json`, or the one above it that holds `valid`.
 * @param names only these videos
 * @returns the folder and its videos in ascending order of their names
 * Throws `EvaluationError`: `not-found`, `unreadable`.
 */
export async function youTubeVosVideos(
  root: string,
  names?: readonly string[],
): Promise<{ folder: string; videos: YouTubeVosVideo[] }> {
  const folder = (await listFolder(root))?.includes('meta.json') ? root : `${root}/valid`;
  const file = `${folder}/meta.json`;
  const bytes = await readBinary(file).catch((cause) => {
    throw new EvaluationError('not-found', file, 'no such file: not a split of YouTube-VOS', { cause });
  });
  let meta: Meta;
  try {
    meta = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new EvaluationError('unreadable', file, (cause as Error).message, { cause });
  }
  const listed = meta.videos ?? {};
  const missing = names?.find((name) => !Object.hasOwn(listed, name));
  if (missing !== undefined) throw new EvaluationError('not-found', missing, `no such video in ${file}`);
  const videos = (names ?? Object.keys(listed)).map((name) => {
    const objects = Object.entries(listed[name]!.objects ?? {});
    const frames = [...new Set(objects.flatMap(([, { frames: list = [] }]) => list))].sort();
    if (frames.length === 0) throw new EvaluationError('no-frames', `${file}: ${name}`, 'no frames are listed');
    return { name, frames, objects: objects.map(([id, { category }]) => ({ id: Number(id), category })) };
  });
  return { folder, videos: videos.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}
