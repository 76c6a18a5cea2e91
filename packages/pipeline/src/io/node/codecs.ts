import { SourceError } from '../errors.js';
import { isOutOfFiles, outOfFiles } from './out-of-files.js';

let ready: Promise<void> | undefined;

async function register(): Promise<void> {
  let server: typeof import('@mediabunny/server');
  try {
    server = await import('@mediabunny/server');
  } catch (cause) {
    if (isOutOfFiles(cause)) throw outOfFiles('video codecs', cause);
    throw new SourceError(
      'unsupported',
      'video codecs',
      'reading and writing videos in Node needs the packages @mediabunny/server and node-av: npm install @mediabunny/server node-av',
      { cause },
    );
  }
  // Software coders only: the same pixels on every machine, and frames are wanted in main memory anyway.
  server.registerMediabunnyServer({ hardwareContext: null });
  // What goes wrong is thrown as a typed error; FFmpeg would write it to the terminal, too.
  const { Log, AV_LOG_FATAL } = await import('node-av');
  Log.setLevel(AV_LOG_FATAL);
}

/** Makes video and audio codecs available to mediabunny. Node has none of its own; FFmpeg's come with node-av, an optional dependency. */
export function prepareCodecs(): Promise<void> {
  return (ready ??= register());
}
