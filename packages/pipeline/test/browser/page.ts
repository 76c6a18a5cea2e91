/** Sessions in a page: bundled for the browser and run by `browser.test.ts`. */
import { emptyLabelMap, imageSource, openProjectStorage } from '../../src/io/index.js';
import { SamTrack, type Session } from '../../src/session/index.js';

/** What the page reports. */
export interface PageResult {
  adapter: string;
  /** Frames tracked before and after the project was closed and opened again. */
  frames: number[][];
  /** Code of the error that a second writer gets. */
  second: unknown;
  /** Whether the masks are those of a session that was never closed. */
  same: boolean;
  /** Masks that differ from each other. */
  different: number;
  /** Whether undo and redo lead back to the same masks. */
  redone: boolean;
  files: string[];
}

const COUNT = 6;
const SIZE = { width: 33, height: 33 };

/** Pictures of moving waves. */
const waves = () =>
  imageSource(
    'waves',
    Array.from({ length: COUNT }, (_, index) => ({
      file: `${index}.png`,
      stem: String(index),
      load: async () => {
        const rgba = new Uint8Array(SIZE.width * SIZE.height * 4);
        for (let i = 0; i < rgba.length; i++) {
          const [x, y, c] = [(i >> 2) % SIZE.width, Math.floor((i >> 2) / SIZE.width), i & 3];
          rgba[i] = c === 3 ? 255 : 128 + 100 * Math.sin((x + 2 * index) / (5 + c) + (y - index) / (9 - 2 * c));
        }
        return { ...SIZE, rgba };
      },
    })),
  );

/** One object at the left, one whose id needs 16 bits at the right. */
function firstMask() {
  const mask = emptyLabelMap(SIZE.width, SIZE.height);
  for (let i = 0; i < mask.data.length; i++) {
    const [x, y] = [i % SIZE.width, Math.floor(i / SIZE.width)];
    if (y >= 4 && y < 28) mask.data[i] = x < 12 ? 1 : x >= 20 ? 300 : 0;
  }
  return mask;
}

async function run(session: Session, stop = COUNT): Promise<number[]> {
  const frames: number[] = [];
  for await (const { frame } of session.propagate()) {
    frames.push(frame);
    if (frames.length === stop) break;
  }
  return frames;
}

async function snapshot(session: Session): Promise<string[]> {
  const masks: string[] = [];
  for (let i = 0; i < COUNT; i++) masks.push(String((await session.mask(i))?.data));
  return masks;
}

const equal = (a: string[], b: string[]) => a.every((mask, i) => mask === b[i]);

async function runSession(weights: string): Promise<PageResult> {
  const mask = firstMask();
  const st = await SamTrack.load({ engine: 'webgpu', weights, longEdge: 65 });
  const kept = await st.open(await waves());
  await kept.prompt({ frame: 0, mask });
  await run(kept);
  const whole = await snapshot(kept);
  await kept.close();

  const project = 'browser.samtrack';
  const first = await st.open(await waves(), { project });
  await first.prompt({ frame: 0, mask });
  const frames = [await run(first, 3)];
  const second = await st.open(await waves(), { project }).catch(({ code }) => code);
  await first.close();

  const session = await st.open(await waves(), { project });
  frames.push(await run(session));
  const masks = await snapshot(session);
  await session.undo();
  await session.redo();
  const result = {
    adapter: st.tracker.device,
    frames,
    second,
    same: equal(masks, whole),
    different: new Set(masks).size,
    redone: equal(await snapshot(session), whole),
    files: await openProjectStorage(project).list(),
  };
  await st.dispose();
  return result;
}

Object.assign(globalThis, { runSession });
