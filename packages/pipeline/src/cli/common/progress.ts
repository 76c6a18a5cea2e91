import type { LoadProgress } from '@samtrack/models';

/** A number of things: `1 frame`, `3 frames`. */
export const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? '' : 's'}`;

/** Duration for people: `9 s`, `3 min 05 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** What takes less long is not worth a line of a file or a pipe, in milliseconds. */
const SOON = 1000;

/** A progress line: rewritten in place on a terminal, otherwise printed at every tenth of the way. */
class ProgressLine {
  #last = '';
  #text = '';
  #open = false;

  constructor(
    private readonly stream: { write(text: string): unknown; isTTY?: boolean; columns?: number } = process.stderr,
  ) {}

  /** Whether lines are rewritten, so that showing what is soon over costs nothing. */
  get rewrites(): boolean {
    return this.stream.isTTY === true;
  }

  /** @param fraction 0..1, if it is known. */
  show(text: string, fraction?: number): void {
    if (this.stream.isTTY) {
      const room = (this.stream.columns || 120) - 1;
      const width = 24;
      const filled = Math.round(width * (fraction ?? 0));
      // What the text says is worth more than the bar, where there is no room for both.
      const hasBar = fraction !== undefined && width + 3 + text.length <= room;
      const bar = hasBar ? `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ` : '';
      this.stream.write(`\r\x1b[K${`${bar}${text}`.slice(0, room)}`);
      this.#open = true;
      return;
    }
    if (fraction === undefined) return;
    // What stands before the first number names the work.
    const place = `${/^\D*/.exec(text)![0]}${Math.floor(fraction * 10)}`;
    if (place === this.#last || text === this.#text) return;
    this.#last = place;
    this.#text = text;
    this.stream.write(`${text}\n`);
  }

  /** Leaves the line; the next one starts anew. */
  end(): void {
    if (this.#open) this.stream.write('\n');
    this.#open = false;
  }
}

/** What a command says on stderr while it works. */
export class Report {
  readonly #line = new ProgressLine();

  /** @param quiet No progress and no notes; failures are told in any case. */
  constructor(private readonly quiet = false) {}

  /** Shows how far the work is; `fraction` 0..1, if it is known. */
  progress(text: string, fraction?: number): void {
    if (!this.quiet) this.#line.show(text, fraction);
  }

  /** Shows how much of some weights has been read, and leaves the line when that is all. */
  loading(name: string): (progress: LoadProgress) => void {
    let begun: number | undefined;
    let isWhole = false;
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
    return ({ bytes, total }) => {
      // Weights that are all there may be read again, in parts.
      if (isWhole) return;
      isWhole = bytes === total;
      const size = total === undefined ? `${megabytes(bytes)} MB` : `${megabytes(bytes)} of ${megabytes(total)} MB`;
      begun ??= performance.now();
      if (!this.#line.rewrites && performance.now() - begun < SOON) return;
      this.progress(`loading ${name}, ${size}`, total && bytes / total);
      if (isWhole) this.end();
    };
  }

  /** Prints a line that stays. */
  note(text: string): void {
    if (!this.quiet) this.failure(text);
  }

  /** Prints what went wrong. */
  failure(text: string): void {
    this.end();
    process.stderr.write(`${text}\n`);
  }

  /** Leaves the progress line. */
  end(): void {
    this.#line.end();
  }
}

/**
 * Prints what is to be said of a source, each time what was not said before: notes may grow while frames are read.
 * @returns what prints them
 */
export function sourceNotes(source: { readonly notes?: readonly string[] }, report: Report): () => void {
  const told = new Set<string>();
  return () => {
    for (const note of source.notes ?? []) {
      if (!told.has(note)) report.note(`note: ${note}`);
      told.add(note);
    }
  };
}
