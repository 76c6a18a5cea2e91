import type { ReadAt } from './edit-list.js';

const text = (bytes: Uint8Array, at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));

/** Containers that are known and not read, by their first bytes. */
const UNREAD: readonly [name: string, is: (head: Uint8Array) => boolean][] = [
  ['an AVI file', (head) => text(head, 0, 4) === 'RIFF' && text(head, 8, 4) === 'AVI '],
  ['a Flash video', (head) => text(head, 0, 3) === 'FLV'],
  ['a Windows Media file', (head) => text(head, 0, 4) === '\x30\x26\xb2\x75'],
  ['an MPEG program stream', (head) => text(head, 0, 4) === '\x00\x00\x01\xba'],
  ['an MPEG elementary stream', (head) => text(head, 0, 4) === '\x00\x00\x01\xb3'],
  ['a RealMedia file', (head) => text(head, 0, 4) === '.RMF'],
  ['an Ogg file', (head) => text(head, 0, 4) === 'OggS'],
  ['a raw H.264 or HEVC stream', (head) => text(head, 0, 4) === '\x00\x00\x00\x01'],
];
const NO_VIDEO: readonly [name: string, is: (head: Uint8Array) => boolean][] = [
  ['a web page', (head) => /^\s*<(!doctype|html)/i.test(text(head, 0, 64))],
  ['a Git LFS pointer, not the file it points to: run `git lfs pull`', (head) => text(head, 0, 12) === 'version http'],
];

/** What to do about a video that is not read here. */
export const convertOnce = (file: string): string =>
  `convert it once: ffmpeg -i ${/^[\w./:@%+,-]+$/.test(file) ? file : JSON.stringify(file)} -pix_fmt yuv420p converted.mp4`;

/** Boxes of an MP4 or MOV file's top level, and whether the last one is cut off. */
async function topBoxes(read: ReadAt, size: number): Promise<{ types: string[]; isCut: boolean } | undefined> {
  const types: string[] = [];
  for (let at = 0; at < size; ) {
    const head = await read(at, 16);
    if (head.length < 8) return { types, isCut: true };
    const type = text(head, 4, 4);
    if (!/^[\x20-\x7e]{4}$/.test(type)) return types.includes('ftyp') ? { types, isCut: true } : undefined;
    types.push(type);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const length = view.getUint32(0) === 1 && head.length >= 16 ? Number(view.getBigUint64(8)) : view.getUint32(0);
    if (length === 0) return { types, isCut: false };
    if (length < 8 || at + length > size) return { types, isCut: true };
    at += length;
  }
  return { types, isCut: false };
}

/**
 * What is wrong with a file that cannot be read as a video, and what to do about it; undefined where its bytes do not tell.
 * @param size bytes of the file
 */
export async function diagnoseVideo(file: string, read: ReadAt, size: number): Promise<string | undefined> {
  if (size === 0) return 'the file is empty: it was not written or copied to its end';
  const head = await read(0, 64);
  const unread = UNREAD.find(([, is]) => is(head))?.[0];
  if (unread) return `${unread}, which is not read here; ${convertOnce(file)}`;
  const other = NO_VIDEO.find(([, is]) => is(head))?.[0];
  if (other) return `no video, but ${other}`;
  if (head.every((byte) => byte === 0)) return 'the file holds zeros: its download or copy did not come to its end';
  const boxes = await topBoxes(read, size);
  if (!boxes?.types.some((type) => ['ftyp', 'moov', 'mdat', 'moof'].includes(type))) return undefined;
  if (!boxes.types.includes('moov') || boxes.isCut) {
    return (
      `its index (the "moov" box) is ${boxes.types.includes('moov') ? 'cut off' : 'missing'}: the recording, download or copy did not come to ` +
      'its end. Get the file again, or rebuild the index with a recovery tool'
    );
  }
  return undefined;
}
