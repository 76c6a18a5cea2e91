import { type Frame, type FrameSource, type LabelMap, labelIds, type Session } from 'samtrack';
import { latestOnly } from '../channel.js';
import type { Point, Report, Rgb, ViewOptions, Viewport } from '../protocol.js';
import { colourOf } from './colours.js';
import type { ObjectStyle, Presenter } from './present/index.js';

/** What is shown: one frame, with its masks. */
interface Shown {
  readonly frame: Frame;
  readonly labels: LabelMap | undefined;
}

/** Shows frames of a session, one at a time or as they play. Requests may come faster than frames: the newest one counts. */
export class Viewer {
  #shown: Shown | undefined;
  #preview: { pixels: Uint8Array; colour: Rgb } | undefined;
  /** The frame that was asked for last. */
  #wanted = 0;
  #playing = 0;
  /** Until the page has said where the video is to be, nothing is drawn. */
  #viewport: Viewport | undefined;
  #options: ViewOptions = { mode: 'overlay', opacity: 0.45, hidden: [] };
  /** Objects whose masks of a frame are older than a correction that affects them. */
  staleIn: (frame: number) => ReadonlySet<number> = () => new Set();
  readonly #seekLatest = latestOnly((frame: number) => this.#seek(frame));
  readonly #draw: () => void;

  constructor(
    private presenter: Presenter,
    private readonly session: Session,
    private readonly report: (report: Report) => void,
  ) {
    let queued = false;
    // Several changes in a row are drawn once.
    this.#draw = () => {
      if (queued) return;
      queued = true;
      requestAnimationFrame(() => {
        queued = false;
        this.#render();
      });
    };
  }

  private get source(): FrameSource {
    return this.session.source;
  }

  get frame(): number {
    return this.#shown?.frame.index ?? 0;
  }

  get time(): number {
    return this.#shown?.frame.time ?? 0;
  }

  /** Draws with another presenter from now on. */
  use(presenter: Presenter): void {
    this.presenter = presenter;
    this.#render();
  }

  resize(width: number, height: number): void {
    this.presenter.resize(width, height);
    // What was on the canvas is gone with its size.
    this.#render();
  }

  look(viewport: Viewport, options: ViewOptions): void {
    this.#viewport = viewport;
    this.#options = options;
    this.#draw();
  }

  /** Shows a frame, unless another one is asked for meanwhile. */
  seek(frame: number): Promise<void> {
    this.#wanted = frame;
    return this.#seekLatest(frame);
  }

  /** Puts a frame on the canvas. */
  show(frame: Frame, labels: LabelMap | undefined): void {
    this.#shown = { frame, labels };
    this.#wanted = frame.index;
    this.#draw();
    const ids = labels ? labelIds(labels) : [];
    this.report({ presented: { frame: frame.index, time: frame.time, ids } });
  }

  /** Shows a prompt's mask over the frame, or nothing. */
  preview(pixels: Uint8Array | undefined, colour: Rgb = [255, 255, 255]): void {
    this.#preview = pixels && { pixels, colour };
    this.#draw();
  }

  /** Reads the masks of the frame again. */
  async refresh(): Promise<void> {
    await this.seek(this.#wanted);
  }

  pick([x, y]: Point): number {
    const { labels } = this.#shown ?? {};
    if (!labels || x < 0 || y < 0 || x >= labels.width || y >= labels.height) return 0;
    return labels.data[Math.floor(y) * labels.width + Math.floor(x)]!;
  }

  async play(from: number): Promise<void> {
    const turn = ++this.#playing;
    this.report({ playing: true });
    const began = performance.now();
    let first: number | undefined;
    try {
      for await (const frame of this.source.frames({ from })) {
        if (turn !== this.#playing) return;
        first ??= frame.time;
        const wait = (frame.time - first) * 1000 - (performance.now() - began);
        if (wait > 2) await new Promise((resolve) => setTimeout(resolve, wait));
        const labels = await this.session.mask(frame.index);
        if (turn !== this.#playing) return;
        this.show(frame, labels);
      }
    } finally {
      if (turn === this.#playing) this.report({ playing: false });
    }
  }

  /** Ends playing, if it does. */
  pause(): void {
    this.#playing++;
    this.report({ playing: false });
  }

  async #seek(index: number): Promise<void> {
    const frame = await this.session.frame(index);
    const labels = await this.session.mask(index);
    const wanted = this.#wanted;
    this.show(frame, labels);
    this.#wanted = wanted;
  }

  #render(): void {
    if (!this.#shown || !this.#viewport) return;
    const { frame, labels } = this.#shown;
    const { hidden, selected, hovered, mode, opacity } = this.#options;
    const stale = this.staleIn(frame.index);
    const styles = new Map<number, ObjectStyle>();
    for (const { id, colour, locked } of this.session.objects) {
      styles.set(id, {
        colour: colour ?? colourOf(id),
        hidden: hidden.includes(id),
        locked,
        selected: id === selected,
        hovered: id === hovered,
        stale: stale.has(id),
      });
    }
    const preview = this.#preview?.pixels.length === frame.width * frame.height ? this.#preview : undefined;
    this.presenter.draw({
      frame,
      labels,
      preview: preview?.pixels,
      previewColour: preview?.colour ?? [255, 255, 255],
      styles,
      mode,
      opacity,
      viewport: this.#viewport,
    });
  }
}
