import { SourceError } from '../errors.js';
import { isOutOfFiles, outOfFiles } from './out-of-files.js';

type Sharp = typeof import('sharp')['default'];

/** What decodes pictures. Node has nothing of its own; libvips comes with sharp, an optional dependency. @throws SourceError `unsupported` */
export async function imageDecoder(): Promise<Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    if (isOutOfFiles(cause)) throw outOfFiles('image decoder', cause);
    const message = 'reading pictures in Node needs the package sharp: npm install sharp';
    throw new SourceError('unsupported', 'image decoder', message, { cause });
  }
}
