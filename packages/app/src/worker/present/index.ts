import { CanvasPresenter } from './canvas.js';
import type { Presenter } from './presenter.js';
import { WebGlPresenter } from './webgl.js';

export type { ObjectStyle, Presenter } from './presenter.js';

/** The best way to draw on a canvas that works here. A canvas that has given one kind of context gives no other. */
export function openPresenter(canvas: OffscreenCanvas, wanted: 'auto' | '2d', onLost: () => void): Presenter {
  if (wanted === '2d' || !new OffscreenCanvas(1, 1).getContext('webgl2')) return new CanvasPresenter(canvas);
  return new WebGlPresenter(canvas, onLost);
}
