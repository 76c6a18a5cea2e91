/** What a file is, told from its first bytes; its name proves nothing. */
export type FileKind =
  | 'safetensors'
  | 'zip'
  | 'pickle'
  | 'json'
  | 'html'
  | 'git-lfs-pointer'
  | 'gzip'
  | 'tar'
  | 'empty'
  | 'unknown';

/** Bytes that `sniff` wants to see (fewer if the file is shorter): up to the tar magic. */
export const SNIFF_BYTES = 512;

export function sniff(head: Uint8Array): FileKind {
  if (head.length === 0) return 'empty';
  const text = new TextDecoder('latin1').decode(head);
  if (text.startsWith('PK\x03\x04') || text.startsWith('PK\x05\x06')) return 'zip';
  if (text.startsWith('\x1f\x8b')) return 'gzip';
  if (text.slice(257, 262) === 'ustar') return 'tar';
  if (head.length > 8 && head[8] === 0x7b && safetensorsHeaderBytes(head) <= 100_000_000) return 'safetensors';
  // Protocol 2 and later announce themselves; earlier ones that start with a global are recognised so that it can be refused by name.
  if (head[0] === 0x80 || /^\(?[ci][\w.]+\n[\w.]+\n/.test(text)) return 'pickle';
  const words = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(?:!|\?xml|[a-z])/i.test(words)) return 'html';
  if (words.startsWith('{')) return 'json';
  if (words.startsWith('version https://git-lfs')) return 'git-lfs-pointer';
  return 'unknown';
}

function safetensorsHeaderBytes(head: Uint8Array): number {
  return Number(new DataView(head.buffer, head.byteOffset, 8).getBigUint64(0, true));
}
