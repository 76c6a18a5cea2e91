const SIZE = { width: 65, height: 49 };

/** A bright block that moves over a dark ground, by two pixels a frame. */
const frame = (index) => {
  const rgba = new Uint8Array(4 * SIZE.width * SIZE.height);
  for (let i = 0; i < rgba.length; i += 4) {
    const [x, y] = [(i / 4) % SIZE.width, Math.floor(i / 4 / SIZE.width)];
    const inside = x >= 12 + 2 * index && x < 30 + 2 * index && y >= 12 && y < 36;
    rgba.set(inside ? [240, 180, 40, 255] : [20 + x, 40, 60 + y, 255], i);
  }
  return { index, time: index / 24, name: `${index}`, ...SIZE, rgba };
};

/** A source of one's own, as programs that draw their frames have it. */
const source = {
  kind: 'images',
  name: 'block',
  ...SIZE,
  frameCount: 3,
  async *frames() {
    for (const index of [0, 1, 2]) yield frame(index);
  },
  [Symbol.asyncIterator]() {
    return this.frames();
  },
  async close() {},
};

/**
 * Tracks the block through three frames.
 * @param samtrack The module.
 * @returns The block's pixels in each.
 */
export async function trackThreeFrames({ track, VideoTracker }, weights) {
  const firstMask = { ...SIZE, data: new Uint16Array(SIZE.width * SIZE.height) };
  for (let y = 12; y < 36; y++) firstMask.data.fill(1, y * SIZE.width + 12, y * SIZE.width + 30);
  const tracker = await VideoTracker.load({ model: 'deaot-t', weights });
  const areas = [];
  for await (const { labels } of track({ source, tracker, firstMask }))
    areas.push(labels.data.filter((id) => id === 1).length);
  tracker.dispose();
  return areas;
}
