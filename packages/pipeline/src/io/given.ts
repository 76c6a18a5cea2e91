import { SourceError } from './errors.js';
import { IMAGE_EXTENSION } from './image-source.js';
import { isZip } from './zip-images.js';

/** What is said of an input that is of no kind that can be read. */
const KINDS = 'a path (Node), a URL, a Blob or File, bytes, or a list of image files';

/** A value that is no input, for a message. */
const said = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? `an object (${value.constructor?.name ?? 'without a class'})`
    : String(value);

/** @throws SourceError `unsupported` */
function refuseKind(value: unknown): never {
  throw new SourceError('unsupported', 'source', `cannot be read: ${said(value)}; give ${KINDS}`);
}

/** Whether a string or URL is to be fetched: what else a string says is a path. */
export const isRemote = (input: unknown): input is string | URL =>
  input instanceof URL ? input.protocol !== 'file:' : typeof input === 'string' && /^(https?|blob|data):/i.test(input);

/** Extensions by the first bytes of files; what is none of these is taken for a video. */
const SIGNATURES: readonly [extension: string, bytes: readonly number[], at?: number][] = [
  ['png', [0x89, 0x50, 0x4e, 0x47]],
  ['jpg', [0xff, 0xd8, 0xff]],
  ['webp', [0x57, 0x45, 0x42, 0x50], 8],
  ['bmp', [0x42, 0x4d]],
  ['gif', [0x47, 0x49, 0x46, 0x38]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
];

/** A file with a name that says what it is. */
async function named(blob: Blob, name = ''): Promise<File> {
  if (blob instanceof File && (name = blob.name) && /\.\w+$/.test(name)) return blob;
  if (isZip(name) || IMAGE_EXTENSION.test(name)) return new File([blob], name);
  const head = new Uint8Array(await blob.slice(0, 16).arrayBuffer());
  const found = SIGNATURES.find(([, bytes, at = 0]) => bytes.every((byte, i) => head[at + i] === byte));
  const stem = name.replace(/\.\w+$/, '') || (found ? (found[0] === 'zip' ? 'images' : 'image') : 'video');
  return new File([blob], found ? `${stem}.${found[0]}` : name || stem);
}

/**
 * The bytes behind a URL, all of them.
 * @throws SourceError `not-found` or `unreadable`
 */
async function fetchBlob(url: string | URL): Promise<Blob> {
  const shown = String(url).slice(0, 200);
  let response: Response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw new SourceError('unreadable', shown, `cannot be fetched (${(cause as Error).message})`, { cause });
  }
  if (!response.ok) {
    const code = [404, 410].includes(response.status) ? 'not-found' : 'unreadable';
    throw new SourceError(code, shown, `the server answers ${response.status} ${response.statusText}`.trim());
  }
  return response.blob();
}

/** Bytes as they may be given. */
const isBytes = (input: unknown): input is Uint8Array | ArrayBuffer =>
  input instanceof Uint8Array || input instanceof ArrayBuffer;

/**
 * The file that a URL, a Blob or bytes are; the files of a list.
 * @throws SourceError `unsupported` for something else; as `fetchBlob`
 */
export async function givenFiles(input: unknown): Promise<File | readonly File[]> {
  if (input instanceof Blob) return named(input);
  if (isBytes(input)) return named(new Blob([input as Uint8Array<ArrayBuffer>]));
  if (isRemote(input)) {
    const { pathname, protocol } = new URL(input, 'about:blank');
    return named(
      await fetchBlob(input),
      /^https?:$/.test(protocol) ? decodeURIComponent(pathname).replace(/^.*\//, '') : '',
    );
  }
  if (Array.isArray(input) && input.every((file) => file instanceof File)) return input;
  return refuseKind(input);
}

/**
 * The bytes behind a URL, of a Blob, or as they are given.
 * @throws SourceError `unsupported` for something else; as `fetchBlob`
 */
export async function givenBytes(input: unknown): Promise<Uint8Array> {
  if (input instanceof Uint8Array) return input;
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  const blob = input instanceof Blob ? input : isRemote(input) ? await fetchBlob(input) : refuseKind(input);
  return new Uint8Array(await blob.arrayBuffer());
}
