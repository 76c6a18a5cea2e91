const ascii = (bytes: Uint8Array, at: number, length: number) =>
  String.fromCharCode(...bytes.subarray(at, at + length));

/** Whether an image file is an animated WebP or PNG, or a GIF: files that may hold several pictures. */
export function mayBeAnimated(bytes: Uint8Array): boolean {
  if (ascii(bytes, 0, 4) === 'GIF8') return true;
  // The extended header's second flag says that frames follow.
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 8) === 'WEBPVP8X') return (bytes[20]! & 2) !== 0;
  return isAnimatedPng(bytes);
}

/** An animated PNG has a chunk `acTL` before its data. */
export function isAnimatedPng(bytes: Uint8Array): boolean {
  if (ascii(bytes, 1, 3) !== 'PNG') return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    const type = ascii(bytes, at + 4, 4);
    if (type === 'acTL') return true;
    if (type === 'IDAT') return false;
  }
  return false;
}
