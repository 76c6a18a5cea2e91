import { drawOverlay } from 'samtrack/io';
import type { Presenter, Scene } from './presenter.js';

/** Draws with the CPU and a 2D canvas, where WebGL is not to be had. Masks look plainer; everything can be seen. */
export class CanvasPresenter implements Presenter {
  readonly kind = '2d';
  /** What browsers agree on for canvases. */
  readonly largestSide = 16_384;
  readonly #context: OffscreenCanvasRenderingContext2D;
  #picture: OffscreenCanvas | undefined;

  /** @throws Error where the canvas gives no such context */
  constructor(private readonly canvas: OffscreenCanvas) {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no 2D canvas');
    this.#context = context;
  }

  resize(width: number, height: number): void {
    this.canvas.width = width;
    this.canvas.height = height;
  }

  draw({ frame, labels, preview, styles, mode, opacity, viewport, previewColour }: Scene): void {
    const { width, height } = frame;
    let rgba = frame.rgba;
    if (labels && mode !== 'original') {
      const shown = { ...labels, data: labels.data.map((id) => (styles.get(id)?.hidden ? 0 : id)) };
      const colours = new Map([...styles].map(([id, { colour }]) => [id, colour]));
      const alpha = { overlay: opacity, outline: 0, mask: 1, cutout: 0 }[mode];
      rgba = drawOverlay(rgba, shown, { alpha, contour: 'object', contourColour: [8, 10, 14], colours });
      if (mode === 'mask' || mode === 'cutout') {
        for (let i = 0; i < shown.data.length; i++) if (!shown.data[i]) rgba.fill(40, 4 * i, 4 * i + 3);
      }
    }
    if (preview) {
      rgba = rgba.slice();
      for (let i = 0; i < preview.length; i++) {
        if (!preview[i]) continue;
        for (let c = 0; c < 3; c++) rgba[4 * i + c] = (rgba[4 * i + c]! + previewColour[c]!) / 2;
      }
    }
    if (this.#picture?.width !== width || this.#picture.height !== height) {
      this.#picture = new OffscreenCanvas(width, height);
    }
    const pixels = new Uint8ClampedArray(rgba);
    this.#picture.getContext('2d')!.putImageData(new ImageData(pixels, width, height), 0, 0);
    this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.#context.imageSmoothingEnabled = viewport.scale < 4;
    const { left, top, scale } = viewport;
    this.#context.drawImage(this.#picture, left, top, width * scale, height * scale);
  }
}
