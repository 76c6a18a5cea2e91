/** Boxes that hold others, on the way to those with dates. */
const CONTAINERS = new Set(['moov', 'trak', 'mdia']);
/** Full boxes that begin with the times of creation and modification (ISO/IEC 14496-12, 8.2.2, 8.3.2 and 8.4.2). */
const DATED = new Set(['mvhd', 'tkhd', 'mdhd']);
const HEADER_BYTES = 8;

/** Sets the dates of a `moov` box to zero, in place: what is equal but for when it was written is then equal. @returns the box */
export function clearDates(moov: Uint8Array): Uint8Array {
  const view = new DataView(moov.buffer, moov.byteOffset, moov.byteLength);
  const walk = (start: number, end: number) => {
    for (let at = start; at + HEADER_BYTES <= end; ) {
      const size = view.getUint32(at);
      const type = String.fromCharCode(...moov.subarray(at + 4, at + HEADER_BYTES));
      if (size < HEADER_BYTES || at + size > end) return;
      const body = at + HEADER_BYTES;
      if (CONTAINERS.has(type)) walk(body, at + size);
      // Version 1 has dates of eight bytes.
      if (DATED.has(type)) moov.fill(0, body + 4, body + 4 + (moov[body] === 1 ? 16 : 8));
      at += size;
    }
  };
  walk(0, moov.length);
  return moov;
}
