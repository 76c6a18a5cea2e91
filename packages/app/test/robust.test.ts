import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type App, describeApp } from './app.js';
import { CLIP, clipZip } from './clip.js';

const LAST = CLIP.frames - 1;

/** The tracker that comes with the page. */
const EMBEDDED = new URL('../../../weights/embedded/deaot-t.safetensors', import.meta.url);

async function oneObject(app: App): Promise<void> {
  await app.openClip();
  await app.click(12, 12);
  await app.waitForObjects(1);
}

/** Waits until a text is in a file of a folder of the browser's storage. What changes while it is read is read again. */
const untilStored = (app: App, folders: readonly string[], text: string) =>
  app.page.waitForFunction(
    async ([path, wanted]) => {
      try {
        let folder = await navigator.storage.getDirectory();
        for (const name of path) folder = await folder.getDirectoryHandle(name);
        for await (const handle of folder.values()) {
          if (handle.kind !== 'file' || handle.name.endsWith('.crswap')) continue;
          if ((await (await (handle as FileSystemFileHandle).getFile()).text()).includes(wanted)) return true;
        }
      } catch {
        // Not there yet.
      }
      return false;
    },
    [folders, text] as const,
    { polling: 50 },
  );

/** Waits until the video was copied, so that a reload finds it. */
const copied = (app: App) => untilStored(app, ['samtrack', 'projects'], '"source":"copy"');

/** Tracks up to the frame before which the toy waits, and waits until all masks before it are stored: they are gathered before they are written. */
async function trackTo(app: App, frame: number): Promise<void> {
  await app.page.getByRole('button', { name: 'Track', exact: true }).click();
  await app.held(frame);
  const { project } = await app.snapshot();
  await untilStored(app, [`${project}.masks`], `{"frame":${frame - 1},`);
}

describeApp('a session', (open) => {
  it('is there again after a reload, masks, history and all', async () => {
    const app = await open();
    await oneObject(app);
    await app.track();
    await copied(app);
    const before = await app.hashes(CLIP.frames);
    await app.page.reload();
    await app.waitForObjects(1);
    await app.ready();
    expect(await app.objects()).toEqual(['object 1']);
    expect(await app.hashes(CLIP.frames)).toEqual(before);
    await app.page.keyboard.press('Control+z');
    await expect.poll(() => app.hash(LAST)).toBe('');
  });

  it('goes on after a reload in the middle of a run', async () => {
    const app = await open({ query: 'holds=6' });
    await oneObject(app);
    await copied(app);
    await trackTo(app, 6);
    const before = await app.hashes(6);
    await app.page.reload();
    await app.waitForObjects(1);
    await app.ready();
    await expect.poll(async () => (await app.notices()).join()).toMatch(/last run stopped/);
    expect(await app.hashes(7)).toEqual([...before, '']);
    await app.release(6);
    await app.run(() => app.page.getByRole('button', { name: 'Resume' }).click());
    expect((await app.hashes(CLIP.frames)).every(Boolean)).toBe(true);
  });

  it('is there after its page has crashed in the middle of a run', async () => {
    const app = await open({ query: 'holds=6', expected: /crash/i });
    await oneObject(app);
    await copied(app);
    await trackTo(app, 6);
    const before = await app.hashes(6);
    const session = await app.context.newCDPSession(app.page);
    const crashed = app.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {
      // Nobody is left to answer.
    });
    await crashed;
    const again = await open({ context: app.context });
    await again.page.locator('.recent-open', { hasText: 'Run stopped at frame' }).click();
    await again.waitForObjects(1);
    await again.ready();
    expect(await again.hashes(7)).toEqual([...before, '']);
    await again.run(() => again.page.getByRole('button', { name: 'Resume' }).click());
    expect(await again.hash(LAST)).not.toBe('');
  });

  it('is listed on the start page, opens from there, and can be deleted', async () => {
    const app = await open({ fresh: true });
    await oneObject(app);
    await copied(app);
    await app.page.getByRole('button', { name: 'Close the project' }).click();
    await app.page.locator('.recent-open').click();
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Close the project' }).click();
    app.page.on('dialog', (dialog) => dialog.accept());
    await app.page.getByRole('button', { name: /^Delete shapes/ }).click();
    await expect.poll(() => app.page.locator('.recent').count()).toBe(0);
    const left = await app.page.evaluate(async () => {
      const names: string[] = [];
      for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
      return names;
    });
    expect(left).toEqual(['samtrack']);
  });

  it('asks for its video where that was not copied, and refuses another one', async () => {
    const app = await open({ before: `localStorage.setItem('samtrack settings', '{"keepCopy":false}')` });
    await oneObject(app);
    const asks = () => app.page.getByRole('heading', { name: /Choose “shapes” again/ }).waitFor();
    await app.page.reload();
    await asks();
    await app.page.getByRole('button', { name: 'Back' }).click();
    await app.page.locator('.recent-open').click();
    await asks();
    await app.drop({ name: 'shapes.zip', bytes: clipZip(5) });
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/^the project .*frameCount was 24; that of "shapes" is 5/);
    await app.drop({ name: 'shapes.zip', bytes: clipZip() });
    await app.waitForObjects(1);
  });

  it('knows its tracker by content, whatever the file is called', async () => {
    const app = await open({ engine: 'none' });
    await app.openClip();
    await app.page.keyboard.press('d');
    await app.click(12, 12);
    await app.waitForObjects(1);
    await copied(app);
    const use = async (name: string, bytes: Uint8Array) => {
      await app.drop({ name, bytes });
      await expect.poll(() => app.announced()).toMatch(new RegExp(`^${name}: .*ready as the tracker`));
      await app.page.getByRole('button', { name: 'Close the project' }).click();
      await app.page.locator('.recent-open').click();
    };
    const own = readFileSync(EMBEDDED);
    await use('renamed.safetensors', own);
    await app.waitForObjects(1);
    const other = Uint8Array.from(own);
    other[other.length - 1]! ^= 1;
    await use('deaot-t.safetensors', other);
    await expect
      .poll(async () => (await app.notices()).join())
      .toMatch(/weights were "deaot-t\.safetensors"; "deaot-t\.safetensors" has other content/);
  });

  it('is read-only in a second tab, until that takes it over', async () => {
    const app = await open();
    await oneObject(app);
    await copied(app);
    const second = await open({ context: app.context });
    // Nor is it deleted from there.
    second.page.on('dialog', (confirm) => void confirm.accept());
    await second.page.getByRole('button', { name: /^Delete shapes/ }).click();
    await expect
      .poll(async () => (await second.notices()).join())
      .toMatch(/shapes: it is not deleted while another tab/);
    await second.page.locator('.recent-open').click();
    await second.waitForObjects(1);
    await second.ready();
    expect(await second.page.locator('.saved').textContent()).toMatch(/read-only/);
    await second.click(80, 46);
    await expect.poll(async () => (await second.notices()).at(-1)).toMatch(/^Another tab is working/);
    expect(await app.objects()).toHaveLength(1);
    await second.page.getByRole('button', { name: 'Take over' }).click();
    await expect.poll(() => second.page.locator('.saved').textContent()).not.toMatch(/read-only/);
    await expect.poll(() => app.page.locator('.saved').textContent()).toMatch(/read-only/);
    await second.ready();
    await second.page.keyboard.press('n');
    await second.click(80, 46);
    await second.waitForObjects(2);
  });

  it('loses nothing when the storage is full', async () => {
    const app = await open({ fresh: true });
    await oneObject(app);
    await copied(app);
    const session = await app.context.newCDPSession(app.page);
    const { usage } = await session.send('Storage.getUsageAndQuota', { origin: app.origin });
    await session.send('Storage.overrideQuotaForOrigin', { origin: app.origin, quotaSize: usage + 300 });
    await app.track();
    expect((await app.snapshot()).run).toBe('failed');
    expect((await app.notices()).join()).toMatch(/no storage left/i);
    await app.page.getByRole('button', { name: 'Free storage' }).first().click();
    await app.page.getByRole('dialog', { name: 'Storage' }).waitFor();
    await app.page.keyboard.press('Escape');
    await session.send('Storage.overrideQuotaForOrigin', { origin: app.origin });
    await app.track();
    expect((await app.hashes(CLIP.frames)).every(Boolean)).toBe(true);
  });
});

describeApp(
  'without a GPU',
  (open) => {
    const reason = (app: App) => app.page.locator('.banner h2').textContent();

    it('says that there is no adapter, and opens, paints, shows and exports all the same', async () => {
      const app = await open({ engine: 'auto' });
      expect(await reason(app)).toBe('This browser finds no GPU');
      expect(await app.page.locator('.banner').textContent()).toMatch(/on the processor: a frame then takes seconds/);
      await app.openClip();
      await app.page.keyboard.press('d');
      await app.click(12, 12);
      await app.waitForObjects(1);
      await app.page.getByRole('button', { name: 'Export', exact: true }).click();
      const [download] = await Promise.all([
        app.page.waitForEvent('download'),
        app.page.getByRole('dialog').getByRole('button', { name: /^Save/ }).click(),
      ]);
      expect(download.suggestedFilename()).toBe('shapes-masks.zip');
    });

    it('says that the browser is too old, that the address is not secure, or that it was switched off', async () => {
      const old = await open({
        engine: 'auto',
        beforeEngine: `Object.defineProperty(navigator, 'gpu', { value: undefined })`,
      });
      expect(await reason(old)).toBe('This browser offers no WebGPU');
      const off = await open({ engine: 'none' });
      expect(await reason(off)).toBe('The engine is switched off');
      const plain = await open({ at: (origin) => origin.replace('localhost', 'samtrack.test') });
      expect(await plain.page.locator('.take-over h1').textContent()).toBe('This address is not secure');
    });
  },
  { flags: ['--host-resolver-rules=MAP samtrack.test 127.0.0.1'] },
);

describeApp('a camera', (open) => {
  it('is a live source: a picture to click in, then followed as it comes', async () => {
    const app = await open();
    await app.page.getByRole('button', { name: 'Camera' }).click();
    await app.page.waitForFunction(() => (document.querySelector('video')?.videoWidth ?? 0) > 0);
    await app.page.getByRole('button', { name: 'Begin with this picture' }).click();
    await app.ready();
    await app.page.keyboard.press('d');
    await app.click(100, 100);
    await app.waitForObjects(1);
    await app.page.getByRole('button', { name: 'Track', exact: true }).click();
    await expect.poll(async () => (await app.snapshot()).frame).toBeGreaterThan(3);
    await app.page.keyboard.press('Escape');
    await app.idle();
    expect(await app.hash(2)).not.toBe('');
  });
});

describeApp('the page', (open) => {
  it('works without a network after the first load', async () => {
    const app = await open({ fresh: true });
    await app.page.goto(`${app.origin}/?engine=toy&present=2d`);
    await app.page.waitForFunction(() =>
      navigator.serviceWorker.ready.then((ready) => ready.active?.state === 'activated'),
    );
    await app.context.setOffline(true);
    await app.page.reload();
    await app.page.getByRole('button', { name: /Try the demo clip/ }).click();
    await app.ready();
    await app.context.setOffline(false);
  });

  it('keeps to its policy while it opens, paints, tracks and exports', async () => {
    const app = await open({
      before: `globalThis.violations = []; addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective + ' ' + event.blockedURI));`,
    });
    const response = await app.page.request.get(`${app.origin}/index.html`);
    expect(response.headers()['content-security-policy']).toMatch(/require-trusted-types-for 'script'/);
    await oneObject(app);
    await app.page.keyboard.press('d');
    await app.click(20, 30);
    await app.track();
    await app.page.keyboard.press('Control+Shift+e');
    const dialog = app.page.getByRole('dialog', { name: 'Export' });
    for (const format of ['Overlay', 'Cut-out WebM', 'GIF']) {
      await dialog.getByRole('checkbox', { name: new RegExp(`^${format}`) }).check();
    }
    await Promise.all([app.page.waitForEvent('download'), dialog.getByRole('button', { name: /^Save/ }).click()]);
    expect(await app.page.evaluate(() => (globalThis as { violations?: string[] }).violations)).toEqual([]);
  });
});
