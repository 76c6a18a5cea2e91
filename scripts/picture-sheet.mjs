// Pictures of frames with their masks, six a page.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeLabelPng, drawOverlay, openSource } from 'samtrack/io';
import sharp from 'sharp';

const COLUMNS = 2;
const A_PAGE = 6;
const GAP = 6;

/**
 * Draws `count` frames at equal distances, first and last among them, into `folder`/sheet-N.png.
 * @param video What `openSource` takes.
 * @param masks Folder with a mask for each frame.
 * @returns the files
 */
export async function drawSheets(video, masks, folder, count) {
  const source = await openSource(video);
  const cells = [];
  try {
    const last = source.frameCount - 1;
    const wanted = new Set(Array.from({ length: count }, (_, i) => Math.round((i * last) / (count - 1))));
    for await (const { index, name, width, height, rgba } of source.frames()) {
      if (!wanted.has(index)) continue;
      const file = join(masks, `${name}.png`);
      const drawn = drawOverlay(rgba, decodeLabelPng(readFileSync(file), file), { contour: 'object' });
      const text = `<svg width="${width}" height="${height}"><text x="6" y="20" font-size="16" font-family="sans-serif"
        fill="white" stroke="black" stroke-width="3" paint-order="stroke">frame ${index}</text></svg>`;
      const raw = { width, height, channels: 4 };
      cells.push(
        await sharp(drawn, { raw })
          .composite([{ input: Buffer.from(text) }])
          .png()
          .toBuffer(),
      );
    }
    const { width, height } = source;
    const files = [];
    for (let first = 0; first < cells.length; first += A_PAGE) {
      const page = cells.slice(first, first + A_PAGE);
      const rows = Math.ceil(page.length / COLUMNS);
      const file = join(folder, `sheet-${first / A_PAGE + 1}.png`);
      await sharp({
        create: {
          width: COLUMNS * (width + GAP) + GAP,
          height: rows * (height + GAP) + GAP,
          channels: 3,
          background: 'white',
        },
      })
        .composite(
          page.map((input, i) => ({
            input,
            left: GAP + (i % COLUMNS) * (width + GAP),
            top: GAP + Math.floor(i / COLUMNS) * (height + GAP),
          })),
        )
        .toFile(file);
      files.push(file);
    }
    return files;
  } finally {
    await source.close();
  }
}
