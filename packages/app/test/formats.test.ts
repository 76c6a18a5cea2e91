import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { AudioSample, AudioSampleSource, BufferTarget, Mp4OutputFormat, Output, Quality } from 'mediabunny';
import { prepareCodecs } from 'samtrack/io';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeVideo, type TestVideo } from '../../pipeline/test/io/media.js';
import { describeApp } from './app.js';
import { CLIP, picture } from './clip.js';

/** Seconds from frame to frame differ. */
const UNEVEN = [0, 0.04, 0.1, 0.14, 0.3, 0.34, 0.5, 0.57, 0.61, 0.8];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'samtrack-formats-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function video(name: string, options: TestVideo = {}): Promise<{ name: string; bytes: Uint8Array }> {
  const path = join(folder, name);
  await makeVideo(path, options);
  return { name, bytes: readFileSync(path) };
}

/** An MP4 with sound and not one frame. */
async function toneOnly(): Promise<Uint8Array> {
  await prepareCodecs();
  const target = new BufferTarget();
  const output = new Output({ format: new Mp4OutputFormat(), target });
  const source = new AudioSampleSource({ codec: 'aac', quality: new Quality('medium') });
  output.addAudioTrack(source);
  await output.start();
  const data = Float32Array.from({ length: 9600 }, (_, i) => 0.3 * Math.sin(i / 17));
  await source.add(new AudioSample({ data, format: 'f32', numberOfChannels: 1, sampleRate: 48000, timestamp: 0 }));
  source.close();
  await output.finalize();
  return new Uint8Array(target.buffer!);
}

describeApp('videos', (open) => {
  it('have each frame at its own time, whatever the time between two is', async () => {
    const app = await open();
    await app.opens(await video('uneven.webm', { times: UNEVEN }));
    for (const [frame, time] of UNEVEN.entries()) {
      await app.goTo(frame);
      // WebM has milliseconds.
      expect(Math.abs((await app.snapshot()).time - time)).toBeLessThan(0.0006);
    }
  });

  it.each([
    ['2d', 24],
    // Which is slow here.
    ['auto', 4],
  ] as const)(
    'show the frame that was asked for, in any order, also where they are stored in another one: %s',
    async (present, count) => {
      const app = await open({ present });
      const bytes = readFileSync(new URL('fixtures/b-frames.mp4', import.meta.url));
      await app.opens({ name: 'b-frames.mp4', bytes });
      const times = await app.page.evaluate(() => globalThis.samtrack.times());
      expect(times).toHaveLength(24);
      for (const [i, time] of times.entries()) expect(time).toBeCloseTo(i / 24, 6);
      // Seven has no common factor with 24: all of them, far from the one before.
      for (let i = 0; i < count; i++) {
        const frame = (7 * i + 5) % 24;
        await app.goTo(frame);
        // Luma of video as a level of RGB.
        const level = (9 * frame * 255) / 219;
        await expect
          .poll(async () => Math.max(...(await app.drawnAt(20, 32)).map((shown) => Math.abs(shown - level))))
          .toBeLessThanOrEqual(4);
      }
    },
  );

  it('that were filmed upright are upright', async () => {
    const app = await open();
    await app.opens(await video('upright.mp4', { width: 96, height: 64, rotation: 90 }));
    const { scale } = await app.page.evaluate(() => globalThis.samtrack.viewport());
    const box = (await app.page.locator('.stage').boundingBox())!;
    // Fitted by its height: 96 rows and 64 columns.
    expect(scale).toBeCloseTo((box.height - 40) / 96, 1);
    // A click is where it is on the turned picture.
    await app.click(50.5, 90.5);
    await app.waitForObjects(1);
    await expect
      .poll(async () => (await app.page.locator('.prompts li').allInnerTexts()).join().replaceAll(/\s+/g, ' '))
      .toMatch(/\+ 51, 91/);
  });

  it('of one frame, and pictures by number, open', async () => {
    const app = await open();
    await app.opens(await video('one.mp4', { times: [0] }));
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuemax')).toBe('0');
    // By name, 10 would come before 2.
    const pictures = Object.fromEntries([1, 2, 10].map((n) => [`frame${n}.png`, picture(n)]));
    await app.opens({ name: 'numbered.zip', bytes: zipSync(pictures, { level: 0 }) });
    await expect.poll(() => app.page.title()).toMatch(/^numbered/);
    await app.goTo(2);
    const left = 8 + 2 * 10;
    await expect.poll(async () => (await app.colourAt(left + 1.5, 16))[0]).toBeGreaterThan(200);
    expect((await app.colourAt(left - 1.5, 16))[0]).toBeLessThan(140);
  });

  it('that cannot be read are refused by name and reason, and what is open stays', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    const [before, hash] = [await app.snapshot(), await app.hash(0)];
    const whole = await video('whole.mp4');
    const bad = [
      { name: 'empty.mp4', bytes: new Uint8Array(0), says: /empty/ },
      { name: 'tone.mp4', bytes: await toneOnly(), says: /tone/ },
      { name: 'nothing.zip', bytes: zipSync({}), says: /nothing/ },
      { name: 'cut.mp4', bytes: whole.bytes.slice(0, whole.bytes.length / 2), says: /cut/ },
      { name: 'letter.mp4', bytes: new TextEncoder().encode('Dear all, this is a letter.'), says: /letter/ },
      { ...(await video('new.mp4', { codec: 'hevc' })), says: /new.*(hevc|HEVC|H\.265)/ },
    ];
    for (const { name, bytes, says } of bad) {
      await app.drop({ name, bytes });
      await expect.poll(async () => (await app.notices()).at(-1), { message: name }).toMatch(says);
      await app.page.getByRole('button', { name: 'Dismiss' }).last().click();
    }
    const { project, head } = await app.snapshot();
    expect([project, head, await app.hash(0)]).toEqual([before.project, before.head, hash]);
    expect(await app.page.locator('.lane-box').getAttribute('aria-valuemax')).toBe(String(CLIP.frames - 1));
  });
});
