import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP, labels, maskPng } from './clip.js';

const LAST = CLIP.frames - 1;

/** Two objects from a mask, tracked to the end. */
async function tracked(app: App): Promise<void> {
  await app.openClip();
  await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
  await app.waitForObjects(2);
  await app.track();
}

/** Goes to a frame, by its field. */
async function goTo(app: App, frame: number): Promise<void> {
  const field = app.page.getByRole('spinbutton', { name: 'Frame' });
  await field.fill(String(frame));
  await field.press('Enter');
  await expect.poll(async () => (await app.snapshot()).frame).toBe(frame);
  await app.page.locator('.stage').focus();
}

describeApp('tracking', (open) => {
  it('fills the lanes, and goes to the least certain frame', async () => {
    const app = await open();
    await tracked(app);
    await app.page.keyboard.press('w');
    await expect.poll(async () => (await app.snapshot()).frame).toBeLessThan(LAST);
    // The disc goes in frame 14 and comes back in 17: its area changes at once.
    await expect.poll(async () => [14, 17].includes((await app.snapshot()).frame)).toBe(true);
    expect(await app.page.locator('.object.active strong').innerText()).toBe('object 2');
  });

  it('stops at once, keeps what is done, and goes on', async () => {
    const app = await open({ query: 'delay=80' });
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await app.page.waitForFunction(
      () => Number(document.querySelector('.progress progress')?.getAttribute('value')) > 3,
    );
    await app.page.keyboard.press('Escape');
    await app.idle();
    const { frame } = await app.snapshot();
    expect(frame).toBeGreaterThan(2);
    expect(frame).toBeLessThan(LAST);
    const before = await app.hashes(frame + 1);
    expect(before.every(Boolean)).toBe(true);
    expect(await app.hash(LAST)).toBe('');
    await app.track();
    expect((await app.hashes(frame + 1)).every((hash, i) => hash === before[i])).toBe(true);
    expect(await app.hash(LAST)).not.toBe('');
  });

  it('pauses for a click, applies it, and offers to go on', async () => {
    const app = await open({ query: 'delay=100' });
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await app.page.waitForFunction(
      () => Number(document.querySelector('.progress progress')?.getAttribute('value')) > 2,
    );
    await app.page.keyboard.press('n');
    const { frame } = await app.snapshot();
    await app.click(80 - 2 * frame, 46);
    await app.waitForObjects(2);
    expect((await app.snapshot()).run).toBe('paused');
    await app.run(() => app.page.getByRole('button', { name: 'Resume' }).click());
    await expect.poll(() => app.hash(LAST), { timeout: 90_000 }).not.toBe('');
    expect(await app.objects()).toEqual(['object 1', 'object 2']);
  });

  it('runs backward, in a range, and one frame', async () => {
    const app = await open();
    await app.openClip();
    await goTo(app, 12);
    await app.click(8 + 24 + 4, 12);
    await app.waitForObjects(1);
    await app.run(() => app.page.keyboard.press('r'));
    await expect.poll(() => app.hash(0)).not.toBe('');
    expect(await app.hash(13)).toBe('');
    await goTo(app, 12);
    await app.run(() => app.page.keyboard.press('Alt+f'));
    await expect.poll(() => app.hash(13)).not.toBe('');
    expect(await app.hash(14)).toBe('');
    await goTo(app, 13);
    await app.page.keyboard.press('i');
    await goTo(app, 16);
    await app.page.keyboard.press('o');
    await app.run(() => app.page.keyboard.press('f'));
    await expect.poll(() => app.hash(16)).not.toBe('');
    expect(await app.hash(17)).toBe('');
  });

  it('tracks anew only what a correction affects, and leaves the others as they are', async () => {
    const app = await open();
    await tracked(app);
    const before = await app.hashes(CLIP.frames);
    await goTo(app, 10);
    await app.page.keyboard.press('2');
    await app.page.getByRole('radio', { name: /Brush/ }).click();
    await app.click(60, 44);
    await expect.poll(() => app.page.locator('.offer').innerText()).toMatch(/^13 frames are older/);
    expect((await app.hashes(CLIP.frames)).filter((hash, i) => hash !== before[i])).toHaveLength(1);
    await app.run(() => app.page.getByRole('button', { name: 'Only object 2' }).click());
    await expect.poll(() => app.page.locator('.offer').count()).toBe(0);
    const after = await app.hashes(CLIP.frames);
    expect(after.slice(0, 10)).toEqual(before.slice(0, 10));
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
    expect(await app.page.getByRole('button', { name: /^Redo/ }).isDisabled()).toBe(true);
  });

  it('finds what comes into view, and asks before it becomes an object', async () => {
    const app = await open();
    await app.openClip();
    await app.drop({ name: 'first.png', bytes: maskPng(0), type: 'image/png' });
    await app.waitForObjects(2);
    await app.page.getByRole('tab', { name: /Review/ }).click();
    await app.page.getByRole('radio', { name: 'Everything' }).check();
    await app.page.getByRole('spinbutton', { name: 'Every' }).fill('4');
    await app.page.getByRole('spinbutton', { name: 'At least' }).fill('50');
    await app.page.keyboard.press('Tab');
    await app.track();
    const candidates = app.page.locator('.candidate');
    await expect.poll(() => candidates.count()).toBe(1);
    expect(await candidates.innerText()).toMatch(/first seen in frame (1[0-9])/);
    await app.page.getByRole('button', { name: 'Accept' }).click();
    await expect.poll(() => candidates.count()).toBe(0);
    await app.page.getByRole('tab', { name: 'Objects' }).click();
    expect(await app.objects()).toHaveLength(3);
  });

  it('keeps a promise of memory, and says what is too little', async () => {
    const app = await open();
    await app.openClip();
    await app.click(12, 12);
    await app.waitForObjects(1);
    await app.page.getByRole('tab', { name: 'Tracking' }).click();
    await app.page.getByRole('combobox', { name: 'Budget' }).selectOption('200');
    await expect.poll(async () => (await app.snapshot()).memory?.budgetBytes).toBe(200e6);
    await app.waitForObjects(1);
    await app.track();
    const { memory } = await app.snapshot();
    expect(memory!.usedBytes).toBeLessThan(200e6);
    await expect.poll(() => app.hash(LAST)).not.toBe('');
  });

  it('plays, and shows the frame that was asked for last', async () => {
    const app = await open();
    await app.openClip();
    await app.page.keyboard.press('Space');
    await expect.poll(async () => (await app.snapshot()).frame).toBeGreaterThan(2);
    await app.page.keyboard.press('Space');
    for (let i = 0; i < 60; i++) await app.page.keyboard.press(i % 3 === 2 ? 'ArrowLeft' : 'ArrowRight');
    const asked = Number(await app.page.getByRole('spinbutton', { name: 'Frame' }).inputValue());
    await expect.poll(async () => (await app.snapshot()).frame).toBe(asked);
  });
});

/** What is true of the clip itself, so that the numbers above mean something. */
it('the clip has what the tests look for', () => {
  const ids = (frame: number) => [...new Set(labels(frame))].sort().join('');
  expect([ids(0), ids(15), ids(20)]).toEqual(['012', '013', '0123']);
});
