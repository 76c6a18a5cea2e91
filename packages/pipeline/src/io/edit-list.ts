/** Reads `length` bytes of a file from `offset`; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

/** What an MP4 or MOV track's edit list says about when its pictures are shown. */
export interface EditList {
  /** Edits that show media; those that only delay the start are left out. */
  parts: number;
  /** Every edit plays at normal speed. */
  normalSpeed: boolean;
  /** Presentation time in seconds at which the first part ends; infinite if the list does not say. */
  end: number;
}

interface Mp4Box {
  type: string;
  /** First byte behind the header, and behind the box. */
  start: number;
  end: number;
}

/** The box that begins at `at`, or undefined if the bytes do not hold its header. */
function boxAt(view: DataView, at: number, limit: number): Mp4Box | undefined {
  if (at + 8 > limit) return undefined;
  const size = view.getUint32(at);
  const type = String.fromCharCode(...[4, 5, 6, 7].map((i) => view.getUint8(at + i)));
  if (size === 1) {
    if (at + 16 > limit) return undefined;
    return { type, start: at + 16, end: at + Number(view.getBigUint64(at + 8)) };
  }
  return { type, start: at + 8, end: size === 0 ? Number.POSITIVE_INFINITY : at + size };
}

function* children(view: DataView, start: number, end: number): Generator<Mp4Box> {
  for (let at = start; ; ) {
    const box = boxAt(view, at, Math.min(end, view.byteLength));
    if (!box || box.end <= at || box.end > view.byteLength) return;
    yield box;
    at = box.end;
  }
}

const child = (view: DataView, parent: Mp4Box | undefined, type: string): Mp4Box | undefined =>
  parent && [...children(view, parent.start, parent.end)].find((box) => box.type === type);

/** The movie box, wherever in the file it stands. */
async function readMovie(read: ReadAt): Promise<DataView | undefined> {
  for (let at = 0; ; ) {
    const header = await read(at, 16);
    const box = boxAt(new DataView(header.buffer, header.byteOffset, header.length), 0, header.length);
    if (!box || box.end < 8) return undefined;
    if (box.type === 'moov' && Number.isFinite(box.end)) {
      const bytes = await read(at, box.end);
      return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    at += box.end;
  }
}

function parseEdits(view: DataView, elst: Mp4Box, movieTimescale: number): EditList {
  const wide = view.getUint8(elst.start) === 1;
  const count = view.getUint32(elst.start + 4);
  const list: EditList = { parts: 0, normalSpeed: true, end: Number.POSITIVE_INFINITY };
  let shown = 0;
  for (let i = 0, at = elst.start + 8; i < count; i++, at += wide ? 20 : 12) {
    const duration = wide ? Number(view.getBigUint64(at)) : view.getUint32(at);
    const mediaTime = wide ? Number(view.getBigInt64(at + 8)) : view.getInt32(at + 4);
    if (view.getInt32(at + (wide ? 16 : 8)) !== 0x10000) list.normalSpeed = false;
    shown += duration;
    if (mediaTime < 0) continue;
    list.parts++;
    // Fragmented files cannot know their length and write 0.
    if (list.parts === 1 && duration > 0) list.end = shown / movieTimescale;
  }
  return list;
}

/**
 * The edit list of a track in an MP4 or MOV file, undefined if it has none. mediabunny applies its start, but neither its end nor further parts.
 * Source: ISO/IEC 14496-12, 8.6.6.
 * @param trackId `track_ID` of the track header
 */
export async function readEditList(read: ReadAt, trackId: number): Promise<EditList | undefined> {
  const view = await readMovie(read);
  if (!view) return undefined;
  const movie: Mp4Box = { type: 'moov', start: boxAt(view, 0, view.byteLength)!.start, end: view.byteLength };
  const header = child(view, movie, 'mvhd');
  if (!header) return undefined;
  const timescale = view.getUint32(header.start + (view.getUint8(header.start) === 1 ? 20 : 12));
  for (const track of children(view, movie.start, movie.end)) {
    if (track.type !== 'trak') continue;
    const tkhd = child(view, track, 'tkhd');
    if (!tkhd) continue;
    const id = view.getUint32(tkhd.start + (view.getUint8(tkhd.start) === 1 ? 20 : 12));
    if (id !== trackId) continue;
    const elst = child(view, child(view, track, 'edts'), 'elst');
    return elst && parseEdits(view, elst, timescale);
  }
  return undefined;
}
