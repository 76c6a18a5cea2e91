import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The weights of a model that come with the program; nothing where there are none. */
export async function defaultWeights(model: string): Promise<string | undefined> {
  const { embeddedWeights } = await import('@samtrack/weights/node');
  return embeddedWeights(model)?.path;
}

/** The files of the segmenter that comes with the program; nothing where they are not there. */
export async function defaultSegmenter(): Promise<{ segmenter: string; tracker: string } | undefined> {
  const { embeddedSegmenter } = await import('@samtrack/weights/node');
  return embeddedSegmenter();
}

/** The checkpoint of a model that was downloaded earlier; nothing where there is none. */
export async function downloadedWeights(model: string): Promise<string | undefined> {
  const [{ catalog }, { cacheFolder }] = await Promise.all([
    import('@samtrack/weights'),
    import('@samtrack/weights/node'),
  ]);
  const files = catalog.filter(({ models }) => models.includes(model)).map(({ file }) => join(cacheFolder(), file));
  return files.find((file) => existsSync(file));
}
