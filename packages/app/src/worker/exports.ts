import { type ExportFormat, type Frame, type FrameRange, openOutputFolder, type Session, SessionError } from 'samtrack';
import { openExporters, ZipWriter } from 'samtrack/export';
import type { Exported, ExportRequest } from '../protocol.js';
import { colourOf } from './colours.js';
import { folderOf } from './storage.js';

/** Removes what earlier exports left: the page has taken it, or is gone. */
export async function clearExports(): Promise<void> {
  const folder = await folderOf('exports');
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  // What another tab is writing cannot be removed, and stays.
  for (const name of names) await folder.removeEntry(name, { recursive: true }).catch(() => {});
}

interface Found {
  path: string;
  file: File;
}

/** Names that are fine in every file system. */
export const safeName = (name: string) => name.replace(/[^\p{L}\p{N} ._-]+/gu, '_').slice(0, 80) || 'video';

async function filesIn(folder: FileSystemDirectoryHandle, prefix = ''): Promise<Found[]> {
  const found: Found[] = [];
  for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemHandle]>) {
    if (handle.kind === 'directory') {
      found.push(...(await filesIn(handle as FileSystemDirectoryHandle, `${prefix}${name}/`)));
    } else if (!name.endsWith('.crswap')) {
      found.push({ path: `${prefix}${name}`, file: await (handle as FileSystemFileHandle).getFile() });
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files as one archive. */
export async function zipFiles(files: readonly Found[], name: string): Promise<File> {
  const folder = await folderOf('exports', crypto.randomUUID());
  const zip = new ZipWriter(await openOutputFolder(folder).createFile(name));
  try {
    for (const { path, file } of files) await zip.add(path, new Uint8Array(await file.arrayBuffer()));
    await zip.finish();
  } catch (error) {
    await zip.discard();
    throw error;
  }
  return (await folder.getFileHandle(name)).getFile();
}

/** Formats that need no pictures: a camera's are gone by then. */
const WITHOUT_PICTURES = ['zip', 'davis', 'png16', 'coco', 'youtube-vos', 'youtube-vis', 'mots', 'csv'];

/** Frames to export. Of a camera's only their numbers are left. */
async function* framesOf(
  { source }: Session,
  range: Required<Omit<FrameRange, 'signal'>> & FrameRange,
): AsyncGenerator<Frame> {
  if (source.kind !== 'live') {
    yield* source.frames(range);
    return;
  }
  const { width, height, fps = 24 } = source;
  const rgba = new Uint8Array(4 * width * height);
  for (let index = range.from; index < range.to; index++) {
    range.signal?.throwIfAborted();
    yield { index, time: index / fps, name: String(index).padStart(5, '0'), width, height, rgba };
  }
}

/**
 * Writes the masks of a session in some formats. One file comes as it is, several as one archive.
 * @throws SessionError `no-objects` where no frame of the range has masks; what exporters throw; the signal's reason
 */
export async function exportSession(
  session: Session,
  { formats, from, to, palette, name }: ExportRequest,
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
): Promise<Exported> {
  const { source, objects } = session;
  const pictured = formats.filter((format) => source.kind === 'live' && !WITHOUT_PICTURES.includes(format));
  if (pictured.length > 0) {
    throw new SessionError('bad-option', `a camera's pictures are not kept, which ${pictured.join(', ')} would need`);
  }
  const id = crypto.randomUUID();
  const folder = await folderOf('exports', id);
  const exporters = await openExporters(formats as ExportFormat[], {
    folder: openOutputFolder(folder),
    source,
    objects: new Map(objects.map(({ id, name: shown, label }) => [id, { name: shown, label }])),
    palette,
    overlay: { colours: new Map(objects.map(({ id, colour }) => [id, colour ?? colourOf(id)])), contour: 'object' },
  });
  let [done, seen] = [0, 0];
  try {
    for await (const frame of framesOf(session, { from, to: to + 1, signal })) {
      const mask = await session.mask(frame.index, { signal });
      if (mask) {
        for (const exporter of exporters) await exporter.add(frame, mask);
        done++;
      }
      onProgress(++seen, to - from + 1);
    }
    if (done === 0) throw new SessionError('no-objects', `no frame from ${from} to ${to} has masks yet`);
    for (const exporter of exporters) {
      signal.throwIfAborted();
      await exporter.finish();
    }
    signal.throwIfAborted();
  } catch (error) {
    for (const exporter of exporters) await exporter.discard();
    // With all that was finished before.
    await (await folderOf('exports')).removeEntry(id, { recursive: true }).catch(() => {});
    throw error;
  }
  const warnings = exporters.flatMap((exporter) => exporter.warnings);
  const files = await filesIn(folder);
  const [only] = files;
  if (files.length === 1 && only && !only.path.includes('/')) {
    const extension = only.path.slice(only.path.lastIndexOf('.'));
    const stem = only.path.slice(0, -extension.length);
    return { file: new File([only.file], `${safeName(name)}-${stem}${extension}`), frames: done, warnings };
  }
  return { file: await zipFiles(files, `${safeName(name)}.zip`), frames: done, warnings };
}
