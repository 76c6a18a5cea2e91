import type { Frame, FrameSource } from 'samtrack';

/** Longest side of the picture in the list of projects, in pixels. */
const SMALL = 320;

const bitmapOf = ({ width, height, rgba }: Frame, options: ImageBitmapOptions) =>
  createImageBitmap(new ImageData(new Uint8ClampedArray(rgba), width, height), options);

/** A small JPEG of a frame, as base64. */
export async function smallPicture(frame: Frame): Promise<string> {
  const scale = Math.min(1, SMALL / Math.max(frame.width, frame.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(frame.width * scale)),
    Math.max(1, Math.round(frame.height * scale)),
  );
  const bitmap = await bitmapOf(frame, {});
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 })).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** Frames of a source in small, one after the other. */
export async function filmstrip(
  source: FrameSource,
  indices: readonly number[],
  height: number,
): Promise<ImageBitmap[]> {
  const bitmaps: ImageBitmap[] = [];
  for (const index of indices) {
    for await (const frame of source.frames({ from: index, to: index + 1 })) {
      bitmaps.push(await bitmapOf(frame, { resizeHeight: Math.min(height, frame.height), resizeQuality: 'medium' }));
    }
  }
  return bitmaps;
}
