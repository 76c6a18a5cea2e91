import type { LiveFrame } from 'samtrack';

/** Frames of a camera as pictures. Each frame is closed as soon as it is read: cameras have few. */
export async function* pictures(frames: ReadableStream<VideoFrame>): AsyncGenerator<LiveFrame> {
  const reader = frames.getReader();
  let canvas: OffscreenCanvas | undefined;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      try {
        const { displayWidth: width, displayHeight: height, timestamp } = value;
        if (canvas?.width !== width || canvas.height !== height) canvas = new OffscreenCanvas(width, height);
        const context = canvas.getContext('2d', { willReadFrequently: true })!;
        context.drawImage(value, 0, 0);
        const { data } = context.getImageData(0, 0, width, height);
        yield { width, height, rgba: new Uint8Array(data.buffer), time: timestamp / 1e6 };
      } finally {
        value.close();
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
