import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP, labels, maskPng } from './clip.js';

const LAST = CLIP.frames - 1;

/** In the engine's worker: counts the decoded pictures that were made, and those that nobody has closed. */
const COUNT_FRAMES = `(() => {
  let made = 0;
  const open = new Set();
  const track = (frame) => (made++, open.add(frame), frame);
  const { close, clone } = VideoFrame.prototype;
  VideoFrame.prototype.close = function () { open.delete(this); return close.call(this); };
  VideoFrame.prototype.clone = function () { return track(clone.call(this)); };
  const Decoder = VideoDecoder;
  globalThis.VideoDecoder = class extends Decoder {
    constructor({ output, ...rest }) { super({ ...rest, output: (frame) => output(track(frame)) }); }
  };
  const channel = new BroadcastChannel('frames');
  channel.onmessage = ({ data }) => data === 'how many' && channel.postMessage({ made, open: open.size });
})()`;

/** Two objects from a mask, tracked to the end. */
async function tracked(app: App): Promise<void> {
  await app.openClip();
  await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
  await app.waitForObjects(2);
  await app.track();
}

describeApp('tracking', (open) => {
  it('fills the lanes, and goes to the least certain frame', async () => {
    const app = await open();
    await tracked(app);
    await app.page.keyboard.press('w');
    // The disc goes in frame 14 and comes back in 17: its area changes at once.
    await expect.poll(async () => [14, 17].includes((await app.snapshot()).frame)).toBe(true);
    expect(await app.page.locator('.object.active strong').textContent()).toBe('object 2');
    // The next one is somewhere else, and Shift goes back.
    const { frame } = await app.snapshot();
    await app.page.keyboard.press('w');
    await expect.poll(async () => Math.abs((await app.snapshot()).frame - frame)).toBeGreaterThan(2);
    await app.page.keyboard.press('Shift+W');
    await app.showing(frame);
  });

  it('stops at once, keeps what is done, and goes on; no decoded picture is left open', async () => {
    const app = await open({ query: 'holds=6', beforeEngine: COUNT_FRAMES });
    const bytes = readFileSync(new URL('fixtures/b-frames.mp4', import.meta.url));
    await app.opens({ name: 'b-frames.mp4', bytes });
    await app.click(70, 32);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await app.held(6);
    await app.page.keyboard.press('Escape');
    await app.stopping();
    await app.release(6);
    await app.idle();
    // The frame that it was at is done.
    const { frame } = await app.snapshot();
    expect(frame).toBe(6);
    const before = await app.hashes(frame + 1);
    expect(before.every(Boolean)).toBe(true);
    expect(await app.hash(LAST)).toBe('');
    const frames = () =>
      app.page.evaluate(
        () =>
          new Promise<{ made: number; open: number }>((resolve) => {
            const channel = new BroadcastChannel('frames');
            channel.onmessage = ({ data }) => {
              if (data === 'how many') return;
              channel.close();
              resolve(data);
            };
            channel.postMessage('how many');
          }),
      );
    await expect.poll(async () => (await frames()).open).toBe(0);
    expect((await frames()).made).toBeGreaterThan(frame);
    await app.track();
    expect((await app.hashes(frame + 1)).every((hash, i) => hash === before[i])).toBe(true);
    expect(await app.hash(LAST)).not.toBe('');
  });

  it('pauses for a click, applies it, and offers to go on', async () => {
    const app = await open({ query: 'holds=4,5' });
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await app.held(4);
    // A name is no reason to; and what is typed while the run goes on stays.
    await app.rename(1, 'square');
    expect((await app.snapshot()).run).toBe('running');
    const field = app.page.getByRole('spinbutton', { name: 'Frame' });
    await field.fill('2');
    await app.release(4);
    await app.held(5);
    expect(await field.inputValue()).toBe('2');
    await field.press('Enter');
    await app.showing(2);
    await app.goTo(4);
    await app.page.locator('.stage').focus();
    await app.page.keyboard.press('n');
    await app.click(80 - 2 * 4, 46);
    await app.stopping();
    await app.release(5);
    await app.waitForObjects(2);
    expect((await app.snapshot()).run).toBe('paused');
    // The frame that was clicked in is shown, however far the run had come meanwhile.
    expect(await app.page.getByText(/^Paused for your change/).textContent()).toContain('frame 4.');
    await app.showing(4);
    expect((await app.areas(4)).get(2)).toBeGreaterThan(0);
    await app.run(() => app.page.getByRole('button', { name: 'Resume' }).click());
    expect(await app.hash(LAST)).not.toBe('');
    expect(await app.objects()).toEqual(['square', 'object 2']);
  });

  it('runs backward, in a range, and one frame', async () => {
    const app = await open({ query: 'holds=11,13' });
    await app.openClip();
    await app.goTo(12);
    await app.click(8 + 24 + 4, 12);
    await app.waitForObjects(1);
    /** While it runs, the playhead's arrow says where it goes. */
    const run = (key: string, frame: number, direction: string) =>
      app.run(async () => {
        await app.page.keyboard.press(key);
        await app.page.locator(`.playhead[data-running="${direction}"]`).waitFor({ state: 'attached' });
        await app.release(frame);
      });
    await run('r', 11, 'backward');
    expect(await app.hash(0)).not.toBe('');
    expect(await app.hash(13)).toBe('');
    await app.goTo(12);
    await run('Alt+f', 13, 'forward');
    expect(await app.hash(13)).not.toBe('');
    expect(await app.hash(14)).toBe('');
    await app.goTo(13);
    await app.page.keyboard.press('i');
    await app.goTo(16);
    await app.page.keyboard.press('o');
    const before = await app.hashes(CLIP.frames);
    await app.run(() => app.page.keyboard.press('f'));
    expect(await app.hash(16)).not.toBe('');
    // Nothing else has changed.
    const known = (hashes: readonly string[]) => hashes.flatMap((hash, frame) => (hash ? [frame] : []));
    const after = await app.hashes(CLIP.frames);
    expect(known(before)).toEqual(Array.from({ length: 14 }, (_, frame) => frame));
    expect(known(after)).toEqual(Array.from({ length: 17 }, (_, frame) => frame));
    expect(after.slice(0, 13)).toEqual(before.slice(0, 13));
    // The marks are handles.
    await app.page.getByRole('tab', { name: 'Tracking' }).click();
    await app.page.getByText('Frames 13 to 16.').waitFor();
    const { x, y, width } = (await app.page.locator('.lane-box').boundingBox())!;
    const edge = (frame: number) => x + (frame * width) / CLIP.frames;
    for (const [from, to] of [
      [13, 11],
      [17, 20],
    ] as const) {
      await app.page.mouse.move(edge(from), y + 40);
      await app.page.mouse.down();
      await app.page.mouse.move(edge(to), y + 40, { steps: 3 });
      await app.page.mouse.up();
    }
    await app.page.getByText('Frames 11 to 19.').waitFor();
  });

  it('tracks anew only what a correction affects, and leaves the others as they are', async () => {
    const app = await open();
    await tracked(app);
    const before = await app.hashes(CLIP.frames);
    const other = await app.hashes(CLIP.frames, 1);
    await app.goTo(10);
    await app.page.keyboard.press('2');
    await app.page.getByRole('radio', { name: /Brush/ }).click();
    await app.click(60, 44);
    const stale = app.page.getByText(/^13 frames are older than your change/);
    await stale.waitFor();
    // What is stale is shown until something newer is there.
    expect((await app.hashes(CLIP.frames)).filter((hash, i) => hash !== before[i])).toHaveLength(1);
    await app.run(() => app.page.getByRole('button', { name: 'Only object 2' }).click());
    await stale.waitFor({ state: 'detached' });
    expect((await app.hashes(CLIP.frames)).slice(0, 10)).toEqual(before.slice(0, 10));
    expect(await app.hashes(CLIP.frames, 1)).toEqual(other);
  });

  it('undoes and redoes everything, one step at a time', async () => {
    const app = await open();
    await app.openClip();
    const states: string[] = [];
    const note = async () => states.push(JSON.stringify([await app.objects(), await app.hashes(4)]));
    await note();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await note();
    await app.page.keyboard.press('n');
    await app.click(80, 46);
    await app.waitForObjects(2);
    await note();
    await app.track();
    await note();
    await app.page.keyboard.press('2');
    await app.page.keyboard.press('Shift+Delete');
    await app.waitForObjects(1);
    await note();
    for (const state of states.slice(0, -1).reverse()) {
      await app.page.keyboard.press('Control+z');
      await expect.poll(async () => JSON.stringify([await app.objects(), await app.hashes(4)])).toBe(state);
    }
    for (const state of states.slice(1)) {
      await app.page.keyboard.press('Control+Shift+z');
      await expect.poll(async () => JSON.stringify([await app.objects(), await app.hashes(4)])).toBe(state);
    }
    const cannotRedo = () =>
      app.page.locator('button[title^=Redo]').evaluate((button: HTMLButtonElement) => button.disabled);
    await expect.poll(cannotRedo).toBe(true);
    // Something new ends what could be redone.
    await app.page.keyboard.press('Control+z');
    await app.waitForObjects(2);
    await expect.poll(cannotRedo).toBe(false);
    await app.page.keyboard.press('2');
    await app.page.keyboard.press('Shift+Delete');
    await app.waitForObjects(1);
    await expect.poll(cannotRedo).toBe(true);
  });

  it('finds what comes into view, and asks before it becomes an object', async () => {
    const app = await open();
    await app.openClip();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.getByRole('tab', { name: /Review/ }).click();
    await app.page.getByRole('radio', { name: 'Everything' }).check();
    // So seldom that the square has left its place from one look to the next: it goes 15 rows, and has 12.
    await app.page.getByRole('spinbutton', { name: 'Every' }).fill('5');
    await app.page.getByRole('spinbutton', { name: 'At least' }).fill('50');
    await app.page.keyboard.press('Tab');
    await app.track();
    const candidates = app.page.locator('.candidate');
    await expect.poll(() => candidates.count()).toBe(1);
    expect(await candidates.textContent()).toMatch(/first seen in frame 10/);
    // Nothing has become of it yet.
    expect(await app.hash(LAST)).not.toBe('');
    expect(new Set((await app.areas(LAST)).keys())).toEqual(new Set([1, 2]));
    await app.page.getByRole('button', { name: 'Accept' }).click();
    await expect.poll(() => candidates.count()).toBe(0);
    await app.page.getByRole('tab', { name: 'Objects' }).click();
    await app.waitForObjects(3);
    expect((await app.objects()).slice(0, 2)).toEqual(['object 1', 'object 2']);
  });

  it('forgets what is rejected, and adds what is a part of an object to it', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('tab', { name: /Review/ }).click();
    await app.page.getByRole('radio', { name: 'Everything' }).check();
    await app.page.getByRole('spinbutton', { name: 'Every' }).fill('2');
    await app.page.keyboard.press('Tab');
    await app.page.getByRole('spinbutton', { name: 'At least' }).fill('50');
    await app.page.keyboard.press('Tab');
    await app.track();
    const candidates = app.page.locator('.candidate');
    // The disc, which is the same once it is back, and the green square.
    await expect.poll(() => candidates.count()).toBe(2);
    await app.page
      .getByRole('button', { name: /^Reject/ })
      .first()
      .click();
    await expect.poll(() => candidates.count()).toBe(1);
    expect((await app.snapshot()).head[0]).toBe(true);
    const before = await app.areas(LAST);
    const frame = Number(/of frame (\d+)/.exec((await candidates.textContent())!)![1]);
    await app.page
      .getByRole('button', { name: /is part of/ })
      .last()
      .click();
    await app.page.getByRole('menuitem', { name: 'It is object 1' }).click();
    await expect.poll(() => candidates.count()).toBe(0);
    await app.page.getByRole('tab', { name: 'Objects' }).click();
    await app.waitForObjects(1);
    expect(await app.objects()).toEqual(['object 1']);
    expect([...before.keys()]).toEqual([1]);
    // The part is in the frame in which it was seen last: more than what was tracked alone.
    expect((await app.areas(frame)).get(1)).toBe(labels(frame).filter((id) => id === 1 || id === 3).length);
  });

  it('keeps a promise of memory, and says what is too little', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('tab', { name: 'Tracking' }).click();
    await app.page.getByRole('combobox', { name: 'Budget' }).selectOption('200');
    await expect.poll(async () => (await app.snapshot()).memory?.budgetBytes).toBe(200e6);
    await app.track();
    const { memory } = await app.snapshot();
    expect(memory!.usedBytes).toBeLessThan(200e6);
    expect(await app.hash(LAST)).not.toBe('');
  });

  it('never takes more than the promise while it runs, and knows before what it will take', async () => {
    const app = await open({
      query: 'delay=20',
      before: `localStorage.setItem('samtrack settings', '{"memoryMB":40}')`,
    });
    await app.openClip();
    // Two frames are shown, so that two are remembered.
    for (const frame of [12, 0]) {
      await app.goTo(frame);
      await app.page.keyboard.press('1');
      await app.click(8 + 2 * frame + 4, 12);
      await expect.poll(() => app.hash(frame)).not.toBe('');
    }
    await app.page.evaluate(() => {
      const used: number[] = [];
      Object.assign(globalThis, { used });
      setInterval(async () => used.push((await globalThis.samtrack.snapshot()).memory!.usedBytes), 30);
    });
    await app.track();
    const used = await app.page.evaluate(() => (globalThis as unknown as { used: number[] }).used);
    const { memory } = await app.snapshot();
    expect(used.length).toBeGreaterThan(5);
    const peak = Math.max(...used);
    expect(peak).toBeLessThan(40e6);
    expect(memory!.budgetBytes).toBe(40e6);
    expect(peak / memory!.expectedBytes!).toBeGreaterThan(0.8);
    expect(peak / memory!.expectedBytes!).toBeLessThan(1.2);
    await app.page.getByRole('tab', { name: 'Tracking' }).click();
    await app.page.getByText(/The run that began last needs \d+ MB at its most/).waitFor();
  });

  it('refuses a promise that it cannot keep, with what would be enough, and keeps what is there', async () => {
    const app = await open({ before: `localStorage.setItem('samtrack settings', '{"memoryMB":10}')` });
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.run(() => app.page.getByRole('button', { name: 'Track', exact: true }).click());
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/needs 1[3-9]\.\d MB of memory, the budget is 10\.0 MB/);
    expect(await app.hash(1)).toBe('');
    expect(await app.hash(0)).not.toBe('');
  });

  it('plays, and shows the frame that was asked for last', async () => {
    const app = await open();
    await app.openClip();
    await app.page.keyboard.press('Space');
    // It plays, or is through already.
    await expect.poll(async () => (await app.snapshot()).frame).toBeGreaterThan(2);
    await app.page.keyboard.press('Home');
    for (let i = 0; i < 60; i++) await app.page.keyboard.press(i % 3 === 2 ? 'ArrowLeft' : 'ArrowRight');
    await app.showing(20);
    const field = app.page.getByRole('spinbutton', { name: 'Frame' });
    expect(await field.inputValue()).toBe('20');
    await field.fill('5');
    await field.press('Enter');
    await app.showing(5);
    // Two hundred at random, faster than they can be shown.
    const last = await app.page.evaluate(() => {
      let seed = 1;
      let frame = 0;
      for (let i = 0; i < 200; i++) {
        seed = (seed * 16807) % 2147483647;
        frame = seed % 24;
        globalThis.samtrack.seek(frame);
      }
      return frame;
    });
    await app.showing(last);
    await expect.poll(async () => (await app.snapshot()).frame).toBe(last);
    expect(await field.inputValue()).toBe(String(last));
  });
});

/** What is true of the clip itself, so that the numbers above mean something. */
it('the clip has what the tests look for', () => {
  const ids = (frame: number) => [...new Set(labels(frame))].sort().join('');
  expect([ids(0), ids(15), ids(20)]).toEqual(['012', '013', '0123']);
});
