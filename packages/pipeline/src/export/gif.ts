import * as gifenc from 'gifenc';
import defaultExport, { type Gifenc } from 'gifenc';
import type { RgbaImage } from '../io/image-source.js';
import { drawOverlay } from '../io/overlay.js';
import type { ExportContext, Exporter } from './exporter.js';

// Bundlers see the ES build with named exports, Node the CommonJS one, of which it takes them for properties of the default export.
const { GIFEncoder, quantize, applyPalette }: Gifenc = 'quantize' in gifenc ? (gifenc as Gifenc) : defaultExport;

/** Viewers show shorter frames more slowly, so frames closer than this are left out: hundredths of a second. */
const SHORTEST = 2;

/** A picture reduced so that its longer side has at most `edge` pixels: each pixel is the mean of those it covers. */
function reduced({ width, height, rgba }: RgbaImage, edge: number): RgbaImage {
  const scale = Math.min(1, edge / Math.max(width, height));
  if (scale === 1) return { width, height, rgba };
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const out = new Uint8Array(w * h * 4);
  for (let y = 0; y < h; y++) {
    const [top, bottom] = [Math.floor((y * height) / h), Math.ceil(((y + 1) * height) / h)];
    for (let x = 0; x < w; x++) {
      const [left, right] = [Math.floor((x * width) / w), Math.ceil(((x + 1) * width) / w)];
      for (let c = 0; c < 4; c++) {
        let sum = 0;
        for (let sy = top; sy < bottom; sy++) {
          for (let sx = left; sx < right; sx++) sum += rgba[(sy * width + sx) * 4 + c]!;
        }
        out[(y * w + x) * 4 + c] = Math.round(sum / ((bottom - top) * (right - left)));
      }
    }
  }
  return { width: w, height: h, rgba: out };
}

/**
 * The source with its masks drawn on it, as an animation: `overlay.gif`, 256 colours a frame, for ever.
 *
 * A GIF's clock has hundredths of a second: each frame begins at the hundredth nearest to its time, so that errors do not add up.
 */
export async function openGif({ folder, overlay, gifEdge = 480 }: ExportContext): Promise<Exporter> {
  const path = 'overlay.gif';
  const file = await folder.createFile(path);
  const gif = GIFEncoder();
  let position = 0;
  /** A frame can be written only when it is known how long it lasts. */
  let waiting: { image: RgbaImage; start: number; duration: number } | undefined;
  const flush = async () => {
    const bytes = gif.stream.bytesView();
    await file.write(bytes, position);
    position += bytes.length;
    gif.stream.reset();
  };
  const write = async ({ width, height, rgba }: RgbaImage, hundredths: number) => {
    const palette = quantize(rgba, 256);
    gif.writeFrame(applyPalette(rgba, palette), width, height, { palette, delay: hundredths * 10, repeat: 0 });
    await flush();
  };
  return {
    path,
    warnings: [],
    async add({ width, height, rgba, time, duration }, labels) {
      const start = Math.round(time * 100);
      if (waiting && start - waiting.start < SHORTEST) return;
      const gap = waiting && start - waiting.start;
      if (waiting) await write(waiting.image, gap!);
      const image = reduced({ width, height, rgba: drawOverlay(rgba, labels, overlay) }, gifEdge);
      waiting = { image, start, duration: duration ? Math.round(duration * 100) : (gap ?? 10) };
    },
    async finish() {
      if (!waiting) {
        await file.discard();
        return false;
      }
      await write(waiting.image, Math.max(SHORTEST, waiting.duration));
      gif.finish();
      await flush();
      await file.commit();
      return true;
    },
    discard: () => file.discard(),
  };
}
