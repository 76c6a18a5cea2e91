import type { Frame, FrameSource } from '../io/index.js';
import { SessionError } from './errors.js';

/** By what a source is known again. */
export interface SourceFingerprint {
  readonly name: string;
  readonly kind: FrameSource['kind'];
  readonly width: number;
  readonly height: number;
  /** Null where it is not known. */
  readonly frameCount: number | null;
  /** See `contentDigest`; null where the source has none. Projects of earlier versions lack it. */
  readonly digest?: string | null;
  /** The first frame's brightness in 8 x 8 fields, two hexadecimal digits each. */
  readonly thumbprint: string;
}

const FIELDS = 8;
/** Decoders differ a little in their colours; other videos differ by far more. */
const TOLERANCE = 6;

/** Mean brightness of 8 x 8 fields of a picture, as hexadecimal digits. */
function thumbprint({ width, height, rgba }: Pick<Frame, 'width' | 'height' | 'rgba'>): string {
  const sums = new Float64Array(FIELDS * FIELDS);
  const counts = new Float64Array(FIELDS * FIELDS);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const field = Math.floor((y * FIELDS) / height) * FIELDS + Math.floor((x * FIELDS) / width);
      const at = 4 * (y * width + x);
      sums[field]! += (rgba[at]! + 2 * rgba[at + 1]! + rgba[at + 2]!) / 4;
      counts[field]!++;
    }
  }
  return [...sums]
    .map((sum, i) =>
      Math.round(sum / Math.max(1, counts[i]!))
        .toString(16)
        .padStart(2, '0'),
    )
    .join('');
}

/** The fingerprint of a source, given its first frame. */
export async function fingerprint(source: FrameSource, first: Frame): Promise<SourceFingerprint> {
  const { name, kind, width, height, frameCount = null } = source;
  const digest = (await source.digest?.()) ?? null;
  return { name, kind, width, height, frameCount, digest, thumbprint: thumbprint(first) };
}

/** @throws SessionError `source-mismatch` where a project was made with another source. Its name may have changed. */
export function checkSource(project: string, before: SourceFingerprint, now: SourceFingerprint): void {
  // How long a stream was is known only after it.
  const keys = ['kind', 'width', 'height', ...(now.kind === 'live' ? [] : (['frameCount'] as const))] as const;
  for (const key of keys) {
    if (before[key] !== now[key]) {
      throw new SessionError(
        'source-mismatch',
        `${project} is of "${before.name}", whose ${key} was ${before[key]}; that of "${now.name}" is ${now[key]}`,
      );
    }
  }
  if (before.digest && now.digest) {
    if (before.digest === now.digest) return;
    throw new SessionError(
      'source-mismatch',
      `${project} is of "${before.name}"; the content of "${now.name}" is another`,
    );
  }
  const fields = (text: string) => (text.match(/../g) ?? []).map((digits) => Number.parseInt(digits, 16));
  const [a, b] = [fields(before.thumbprint), fields(now.thumbprint)];
  const difference = a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / FIELDS ** 2;
  if (!(difference <= TOLERANCE)) {
    throw new SessionError(
      'source-mismatch',
      `${project} is of "${before.name}"; the first frame of "${now.name}" looks different`,
    );
  }
}
