import type { FrameRange, FrameSource } from './frame-source.js';

/** The frames `from` to the one before `to` of a source, counted from 0. The source stays the caller's to close. */
export function clipSource(source: FrameSource, from: number, to?: number): FrameSource {
  const { kind, name, width, height, fps, annotations, frameNames, inputs, notes } = source;
  const end = Math.min(to ?? Number.POSITIVE_INFINITY, source.frameCount ?? Number.POSITIVE_INFINITY);
  const frames = async function* ({ signal, ...range }: FrameRange = {}) {
    const last = Math.min(end, from + (range.to ?? Number.POSITIVE_INFINITY));
    const wanted = { from: from + (range.from ?? 0), to: Number.isFinite(last) ? last : undefined, signal };
    for await (const frame of source.frames(wanted)) yield { ...frame, index: frame.index - from };
  };
  return {
    kind,
    name,
    width,
    height,
    ...(Number.isFinite(end) ? { frameCount: Math.max(0, end - from) } : {}),
    ...(fps === undefined ? {} : { fps }),
    ...(annotations === undefined ? {} : { annotations }),
    ...(frameNames && { frameNames: frameNames.slice(from, end) }),
    ...(inputs && { inputs }),
    ...(notes && { notes }),
    ...(source.digest && { digest: () => source.digest!() }),
    frames,
    [Symbol.asyncIterator]: () => frames(),
    close: async () => {},
  };
}
