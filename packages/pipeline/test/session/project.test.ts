import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openProjectStorage, openVideo, type ProjectStorage } from '../../src/io/index.js';
import { projectFiles } from '../../src/io/node/project-storage.js';
import { SamTrack, type Session } from '../../src/session/index.js';
import { errorOf, temporaryFolder } from '../io/temporary.js';
import { DEAOT_T_WEIGHTS, makeFrame } from '../tracking/scene.js';
import { rectangles, SIZE, WaveSource } from './scene.js';

const folder = temporaryFolder();
const mask = rectangles(SIZE, [1, 2, 4, 12, 28]);
let st: SamTrack;
beforeAll(async () => {
  st = await SamTrack.load({ weights: DEAOT_T_WEIGHTS });
});
afterAll(() => st.dispose());
afterEach(() => {
  vi.restoreAllMocks();
});

let number = 0;
const newProject = () => join(folder, `${number++}.samtrack`);
const open = (project: string | ProjectStorage, frames = 6) => st.open(new WaveSource(frames), { project });
const lockOf = (project: string) => join(folder, `.${project.slice(folder.length + 1)}.lock`);

/** A project of one object, tracked through two frames. */
async function begun(): Promise<string> {
  const project = newProject();
  const session = await open(project);
  await session.prompt({ frame: 0, object: 'one', mask });
  for await (const { frame } of session.propagate()) if (frame === 1) break;
  await session.close();
  return project;
}

describe('a project', () => {
  it('is a small file of lines, with the masks beside it', async () => {
    const project = await begun();
    const lines = readFileSync(project, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({
      format: 'samtrack-session',
      version: 1,
      source: { name: 'waves', kind: 'images', ...SIZE, frameCount: 6 },
      tracker: { model: 'deaot-t' },
    });
    expect(lines.slice(1).map(({ event, stopped }) => event?.type ?? stopped)).toEqual(['annotate', 'propagate', 2]);
    expect(existsSync(join(`${project}.masks`, '2.jsonl'))).toBe(true);
    expect(existsSync(lockOf(project))).toBe(false);
    const session = await open(project);
    expect(session.objects.map(({ name }) => name)).toEqual(['one']);
    expect((await session.mask(1))!.data.length).toBe(33 * 33);
    expect(await session.mask(2)).toBeUndefined();
    await session.close();
  });

  it('has one writer', async () => {
    const project = await begun();
    const session = await open(project);
    expect(await errorOf(() => open(project))).toMatchObject({
      name: 'OutputError',
      code: 'busy',
      message: expect.stringMatching(new RegExp(`process ${process.pid} on .* writes to it`)),
    });
    // The refused one has not let go of the other's lock.
    expect(await errorOf(() => open(project))).toMatchObject({ code: 'busy' });
    await session.close();
    await session.close();
    await (await open(project)).close();
    // A lock from another machine cannot be looked into.
    writeFileSync(lockOf(project), JSON.stringify({ pid: 1, host: 'elsewhere' }));
    expect(await errorOf(() => open(project))).toMatchObject({
      message: expect.stringMatching(/process 1 on elsewhere/),
    });
    // One of a dead process can be taken.
    writeFileSync(lockOf(project), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
    await (await open(project)).close();
  });

  it('may have more propagations than files are open at once', async () => {
    const project = newProject();
    const session = await open(project);
    await session.prompt({ frame: 0, object: 'one', mask });
    for (let i = 0; i < 20; i++) {
      for await (const { frame } of session.propagate({ from: i % 3, to: (i % 3) + 2 })) expect(frame).toBeLessThan(4);
    }
    await session.close();
    const again = await open(project);
    const masks = [await again.mask(0), await again.mask(1)];
    for (let i = 0; i < 19; i++) {
      await again.undo();
      expect([await again.mask(0), await again.mask(1)]).toEqual(masks);
    }
    await again.close();
  });

  it('loses nothing where its last line was cut short', async () => {
    const project = await begun();
    const whole = readFileSync(project, 'utf8');
    for (const cut of ['{"seq":3,"ev', '{"undo":true}', '{"seq":3,"event":{"type":"remove","object":1}}']) {
      appendFileSync(project, cut);
      const session = await open(project);
      expect([session.repaired, session.objects.length]).toEqual([true, 1]);
      await session.close();
      expect(readFileSync(project, 'utf8')).toBe(whole);
    }
    // The same for masks: the frame is tracked again.
    const masks = join(`${project}.masks`, '2.jsonl');
    const stored = readFileSync(masks, 'utf8');
    truncateSync(masks, stored.length - 10);
    const session = await open(project);
    expect(await session.mask(1)).toBeDefined();
    await session.close();
    expect(readFileSync(masks, 'utf8')).toBe(stored);
  });

  it.each<[string, (text: string) => string, string, RegExp]>([
    ['a damaged line', (text) => text.replace('"annotate"', '"annot'), 'corrupt', /samtrack: line 2 is damaged/],
    ['an unknown event', (text) => text.replace('"annotate"', '"dance"'), 'corrupt', /line 2 says nothing known/],
    ['a missing line', (text) => text.replace(/\n.*annotate.*\n/, '\n'), 'corrupt', /line 2: event 2 follows on 0/],
    ['another version', (text) => text.replace('"version":1', '"version":2'), 'version', /is of version 2/],
    ['another kind of file', () => 'dear diary', 'corrupt', /is no project of samtrack/],
    [
      'another video',
      (text) => text.replace('"frameCount":6', '"frameCount":7'),
      'source-mismatch',
      /frameCount was 7.*is 6/,
    ],
    [
      'other pictures',
      (text) => text.replace(/"thumbprint":"\w{64}/, `"thumbprint":"${'00'.repeat(32)}`),
      'source-mismatch',
      /looks different/,
    ],
    [
      'another model',
      (text) => text.replace('"deaot-t"', '"deaot-l"'),
      'tracker-mismatch',
      /model was "deaot-l" and is now "deaot-t"/,
    ],
  ])('with %s is refused, and left as it is', async (_, change, code, message) => {
    const project = await begun();
    writeFileSync(project, change(readFileSync(project, 'utf8')));
    const before = readFileSync(project, 'utf8');
    expect(await errorOf(() => open(project))).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(readFileSync(project, 'utf8')).toBe(before);
    expect(existsSync(lockOf(project))).toBe(false);
  });

  it('on a full disk refuses changes, keeps all there is, and goes on when there is room', async () => {
    const original = projectFiles.open;
    let room = Number.POSITIVE_INFINITY;
    vi.spyOn(projectFiles, 'open').mockImplementation(async (...args) => {
      const handle = await original(...args);
      const write = handle.write.bind(handle) as (
        ...a: unknown[]
      ) => Promise<{ bytesWritten: number; buffer: Uint8Array }>;
      handle.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
        const fits = Math.min(length, room);
        room -= fits;
        // As file systems do: part of it still fits.
        if (fits > 0) return write(bytes, offset, fits, position);
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      }) as typeof handle.write;
      return handle;
    });
    const project = newProject();
    const session = await open(project);
    await session.prompt({ frame: 0, object: 'one', mask });
    const text = readFileSync(project, 'utf8');
    room = 20;
    expect(await errorOf(() => session.rename('one', 'two'))).toMatchObject({ name: 'OutputError', code: 'disk-full' });
    expect([session.objects[0]!.name, readFileSync(project, 'utf8')]).toEqual(['one', text]);
    room = 1000;
    const seen: number[] = [];
    const error = await errorOf(async () => {
      for await (const { frame } of session.propagate()) seen.push(frame);
    });
    expect(error).toMatchObject({ code: 'disk-full' });
    expect(seen.length).toBeLessThan(6);
    room = Number.POSITIVE_INFINITY;
    for await (const { frame } of session.propagate()) seen.push(frame);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    await session.close();
    const again = await open(project);
    expect([again.repaired, again.affected()]).toEqual([false, { ranges: [] }]);
    await again.close();
  });

  it('says when it cannot be written', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(await errorOf(() => open(join(folder, 'file', 'x.samtrack')))).toMatchObject({ code: 'not-writable' });
    const storage = openProjectStorage(newProject());
    expect(await storage.list()).toEqual([]);
  });
});

describe('a source', () => {
  it('that cannot be read is refused', async () => {
    const bad = join(folder, 'bad.mp4');
    writeFileSync(bad, 'no video');
    expect(await errorOf(() => st.open(bad))).toMatchObject({ name: 'SourceError', code: 'unreadable' });
    expect(await errorOf(() => openVideo(join(folder, 'none.mp4')))).toMatchObject({ code: 'not-found' });
    expect(await errorOf(() => st.open([]))).toMatchObject({ name: 'SourceError', code: 'no-frames' });
    expect(await errorOf(() => st.open((async function* () {})()))).toMatchObject({ code: 'no-frames' });
    expect(await errorOf(() => open(newProject(), 0))).toMatchObject({ name: 'SourceError', code: 'no-frames' });
  });

  it('that breaks in the middle keeps what was tracked', async () => {
    const source = new WaveSource(6);
    const frames = source.frames.bind(source);
    let broken = true;
    source.frames = async function* (range) {
      for await (const frame of frames(range)) {
        if (broken && frame.index === 3) throw new Error('torn');
        yield frame;
      }
    };
    const session = await st.open(source);
    await session.prompt({ frame: 0, mask });
    const seen: number[] = [];
    const track = async (of: Session) => {
      for await (const { frame } of of.propagate()) seen.push(frame);
    };
    expect((await errorOf(() => track(session))).message).toBe('torn');
    expect(seen).toEqual([0, 1, 2]);
    broken = false;
    await track(session);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    await session.close();
  });
});

describe('a live source', () => {
  async function* camera(count: number) {
    for (let i = 0; i < count; i++) yield { ...makeFrame(i, SIZE), time: i / 10 };
  }

  it('is tracked as it comes, and corrected on the way, like a file', async () => {
    const session = await st.open(camera(8), { fps: 10 });
    await session.prompt({ frame: 0, mask });
    const live: Uint16Array[] = [];
    for await (const { frame, time, mask: found, total } of session.propagate()) {
      expect([time, total]).toEqual([frame / 10, undefined]);
      live.push(found.data);
      if (frame === 3) await session.prompt({ frame, object: 2, mask: rectangles(SIZE, [2, 20, 4, 31, 28]) });
    }
    expect(live).toHaveLength(8);
    const file = await st.open(new WaveSource(8));
    await file.prompt({ frame: 0, mask });
    for await (const { frame, mask: found } of file.propagate()) {
      expect(found.data).toEqual(live[frame]);
      if (frame === 3) await file.prompt({ frame, object: 2, mask: rectangles(SIZE, [2, 20, 4, 31, 28]) });
    }
    // What is gone cannot be looked at, and not tracked backward.
    expect((await session.mask(2))!.data).toEqual(live[2]);
    expect(await errorOf(() => session.frame(2))).toMatchObject({
      code: 'bad-option',
      message: expect.stringMatching(/gone/),
    });
    expect(
      await errorOf(async () => {
        for await (const _ of session.propagate({ direction: 'backward', from: 7 }));
      }),
    ).toMatchObject({ name: 'SourceError', code: 'unsupported' });
    await session.close();
    await file.close();
  });

  it('goes on after a break', async () => {
    const session = await st.open(camera(6));
    await session.prompt({ frame: 0, mask });
    const seen: number[] = [];
    for await (const { frame } of session.propagate()) {
      seen.push(frame);
      if (frame === 2) break;
    }
    await session.prompt({ frame: 2, object: 1, mask: rectangles(SIZE, [1, 4, 4, 16, 28]) });
    for await (const { frame } of session.propagate()) seen.push(frame);
    expect(seen).toEqual([0, 1, 2, 3, 4, 5]);
    await session.close();
  });

  it('can drop what comes faster than it is read', async () => {
    const { liveSource } = await import('../../src/io/index.js');
    let sent = 0;
    async function* fast() {
      for (; sent < 100; sent++) {
        yield { ...makeFrame(sent, SIZE), time: sent };
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const source = await liveSource(fast(), { latest: true });
    const times: number[] = [];
    for await (const { time, index } of source.frames()) {
      expect(index).toBe(times.length);
      times.push(time);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(times.length).toBeLessThan(50);
    expect(times.at(-1)).toBe(99);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(source.frameCount).toBe(times.length);
  });

  it('can be stopped while nothing comes', async () => {
    const { liveSource } = await import('../../src/io/index.js');
    const source = await liveSource({
      async *[Symbol.asyncIterator]() {
        yield makeFrame(0, SIZE);
        await new Promise(() => {});
      },
    });
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 20);
    const error = await errorOf(async () => {
      for await (const _ of source.frames({ signal: controller.signal }));
    });
    expect(error.message).toBe('enough');
  });
});
