import type { Frame, LabelMap } from 'samtrack';
import type { Rgb, ViewMode, Viewport } from '../../protocol.js';

/** How an object is drawn. */
export interface ObjectStyle {
  readonly colour: Rgb;
  readonly hidden: boolean;
  readonly locked: boolean;
  readonly selected: boolean;
  readonly hovered: boolean;
  /** Its masks of this frame were made before the newest correction. */
  readonly stale: boolean;
}

/** All that is on the canvas. */
export interface Scene {
  readonly frame: Frame;
  readonly labels: LabelMap | undefined;
  /** Pixels of a prompt that is not given yet. */
  readonly preview: Uint8Array | undefined;
  readonly previewColour: Rgb;
  readonly styles: ReadonlyMap<number, ObjectStyle>;
  readonly mode: ViewMode;
  readonly opacity: number;
  readonly viewport: Viewport;
}

/** Draws scenes on a canvas. */
export interface Presenter {
  readonly kind: 'webgl2' | '2d';
  /** Most pixels of a frame's width or height. */
  readonly largestSide: number;
  resize(width: number, height: number): void;
  draw(scene: Scene): void;
}
