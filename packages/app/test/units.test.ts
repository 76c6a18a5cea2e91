import { readFileSync } from 'node:fs';
import { MASK_READINGS } from 'samtrack/io';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { failureOf, latestOnly } from '../src/channel.js';
import type { Report } from '../src/protocol.js';
import { isMeant, isProject, sortOut } from '../src/state/inputs.js';
import { inPageWords, READINGS } from '../src/state/mask.js';
import { staleFrames } from '../src/state/spans.js';
import { Outbox } from '../src/worker/outbox.js';
import { insideOf, paintLine } from '../src/worker/paint.js';

/** Waits until something is so, however busy the machine is. */
const until = (look: () => void) => vi.waitFor(look, { timeout: 60_000 });

describe('the table of scenarios', () => {
  const rows = readFileSync(new URL('../TESTS.md', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => /^\| *\d+ *\|/.test(line));

  it('has all 32', () => {
    expect(rows.map((row) => Number(row.split('|')[1]))).toEqual(Array.from({ length: 32 }, (_, i) => i + 1));
  });

  it.each(rows.map((row) => [row.split('|')[1]!.trim(), row.split('|')[3]!]))(
    'names tests that exist: %s',
    (_, cell) => {
      let text = '';
      let files = 0;
      for (const [, file, title] of cell.matchAll(/`([^`]+\.test\.ts)`|"([^"]+)"/g)) {
        if (file) {
          text = readFileSync(new URL(file, import.meta.url), 'utf8');
          files++;
        } else expect(text.includes(`'${title}`), title).toBe(true);
      }
      expect(files).toBeGreaterThan(0);
    },
  );
});

describe('of several files', () => {
  const file = (path: string, type = '') => {
    const made = new File(['x'], path.split('/').at(-1)!, { type });
    Object.defineProperty(made, 'webkitRelativePath', { value: path.includes('/') ? path : '' });
    return made;
  };
  const opened = (...paths: string[]) => {
    const { files, name } = sortOut(paths.map((path) => file(path)).filter(isMeant));
    return [files.map((one) => one.name).join(), name];
  };

  it('the pictures of one folder are opened, by its name', () => {
    expect(opened('trip/dog/1.jpg', 'trip/dog/2.JPG', 'trip/dog/notes.txt', 'trip/dog/.DS_Store')).toEqual([
      '1.jpg,2.JPG',
      'dog',
    ]);
    expect(opened('1.png', '2.png')).toEqual(['1.png,2.png', undefined]);
    expect(opened('a/1.png', '__MACOSX/a/1.png', 'a/Thumbs.db')).toEqual(['1.png', undefined]);
  });

  it('or the one video', () => {
    expect(opened('trip/dog.mp4', 'trip/dog.srt')).toEqual(['dog.mp4', undefined]);
    expect(opened('dog.mp4')).toEqual(['dog.mp4', undefined]);
  });

  it('and where it is not clear what is meant, that is said', () => {
    expect(() => opened('a/left/1.png', 'a/right/1.png', 'a/0.png')).toThrow(
      'There are pictures in 3 folders: a/left, a/right, a. Open one of them.',
    );
    expect(() => opened('a.mp4', 'b.mov')).toThrow('There are 2 videos, a.mp4 and others: open one at a time.');
    // What nobody can open is refused by the engine, by name.
    expect(opened('a.txt', 'b.txt')).toEqual(['a.txt', undefined]);
  });

  it('a project is told by its name, also where a browser has numbered it', () => {
    for (const name of [
      'a.samtrack',
      'a.samtrack.zip',
      'a.samtrack (1).zip',
      'a.samtrack(2).zip',
      'a.samtrack-3.zip',
    ]) {
      expect(isProject(file(name)), name).toBe(true);
    }
    for (const name of ['samtrack.zip', 'a.samtrack.mp4', 'a.samtrack.masks'])
      expect(isProject(file(name)), name).toBe(false);
  });
});

describe('frames older than a change', () => {
  it('are counted once, and within a range', () => {
    const stale = { forward: [[1, 6] as const, [8, 23] as const], backward: [[1, 6] as const] };
    expect(staleFrames(stale)).toBe(22);
    expect(staleFrames(stale, 5, 8)).toBe(3);
    expect(staleFrames({ forward: [], backward: [] })).toBe(0);
  });
});

describe('ways to read a mask', () => {
  it('are those of the command line, in words of the page', () => {
    expect(Object.keys(READINGS)).toEqual([...MASK_READINGS]);
    expect(inPageWords('one object; --mask-as labels makes each value an object')).toBe(
      'one object; “Labels” makes each value an object',
    );
  });
});

describe('of calls that come faster than they are done', () => {
  it('the newest counts, and what waited before is dropped', async () => {
    const done: number[] = [];
    let finish = () => {};
    const call = latestOnly(async (value: number) => {
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
      done.push(value);
    });
    const all = [call(1), call(2), call(3)];
    finish();
    await until(() => expect(done).toEqual([1]));
    finish();
    await Promise.all(all);
    expect(done).toEqual([1, 3]);
  });

  it('an error goes to who asked, and the next call works', async () => {
    let fails = true;
    const call = latestOnly(async () => {
      if (fails) throw new Error('once');
    });
    await expect(call()).rejects.toThrow('once');
    fails = false;
    await call();
  });
});

describe('reports', () => {
  afterEach(() => vi.useRealTimers());

  it('wait for the page, then come as one: the newest of each kind, all columns and notices', async () => {
    const sent: Report[] = [];
    let shown = () => {};
    const outbox = new Outbox((report) => {
      sent.push(report);
      return new Promise((resolve) => {
        shown = resolve;
      });
    });
    const column = (frame: number) => ({ columns: [{ frame, entries: [] }] });
    outbox.add({ playing: true });
    await until(() => expect(sent).toHaveLength(1));
    for (let frame = 0; frame < 50; frame++) outbox.add({ ...column(frame), presented: { frame, time: 0, ids: [] } });
    outbox.add({ notices: [{ kind: 'info', message: 'a' }] });
    outbox.add({ notices: [{ kind: 'info', message: 'b' }] });
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(sent).toHaveLength(1);
    shown();
    await until(() => expect(sent).toHaveLength(2));
    expect(sent[1]!.columns).toHaveLength(50);
    expect(sent[1]!.presented!.frame).toBe(49);
    expect(sent[1]!.notices).toHaveLength(2);
  });

  it('are known to be taken, those under way and those that wait', async () => {
    const shown: (() => void)[] = [];
    const outbox = new Outbox(() => new Promise((resolve) => shown.push(resolve)));
    const taken: string[] = [];
    const note = (what: string) => outbox.taken().then(() => taken.push(what));
    await note('nothing');
    outbox.add({ playing: true });
    const first = note('first');
    await until(() => expect(shown).toHaveLength(1));
    outbox.add({ playing: false });
    const second = note('second');
    expect(taken).toEqual(['nothing']);
    shown[0]!();
    await first;
    expect(taken).toEqual(['nothing', 'first']);
    await until(() => expect(shown).toHaveLength(2));
    shown[1]!();
    await second;
    expect(taken).toEqual(['nothing', 'first', 'second']);
  });

  it('columns that whole lanes contain are left out', async () => {
    const sent: Report[] = [];
    const outbox = new Outbox(async (report) => void sent.push(report));
    outbox.add({ columns: [{ frame: 1, entries: [] }] });
    outbox.add({ lanes: [] });
    outbox.add({ columns: [{ frame: 2, entries: [] }] });
    await until(() => expect(sent).toHaveLength(1));
    expect(sent[0]!.columns?.map(({ frame }) => frame)).toEqual([2]);
  });
});

describe('keys', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('mean one thing in each scope', async () => {
    vi.stubGlobal('location', { search: '', href: 'http://localhost/' });
    vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: () => {} }));
    const element = { dataset: {}, setAttribute: () => {} };
    vi.stubGlobal('document', { documentElement: element, createElement: () => element });
    const { COMMANDS } = await import('../src/state/commands.js');
    const meanings = new Map<string, string>();
    for (const { id, keys, scope } of COMMANDS) {
      // What is global must not be taken by a project's command: that would hide it.
      for (const key of keys) {
        for (const where of scope === 'global' ? ['global', 'project'] : [scope]) {
          const place = `${where} ${key.toLowerCase()}`;
          expect(meanings.get(place), `${place} is ${id}`).toBeUndefined();
          meanings.set(place, id);
        }
      }
    }
    expect(meanings.size).toBeGreaterThan(60);
    expect(new Set(COMMANDS.map(({ id }) => id)).size).toBe(COMMANDS.length);
  });
});

describe('errors', () => {
  it('keep their class and code on the way to the page', () => {
    const error = Object.assign(new RangeError('too far'), { code: 'out-of-range' });
    expect(failureOf(error)).toEqual({ name: 'RangeError', code: 'out-of-range', message: 'too far' });
    expect(failureOf('text')).toEqual({ name: 'Error', message: 'text' });
  });
});

describe('painting', () => {
  const size = { width: 40, height: 30 };

  it('a dot is a disc of the pixels whose centres are within the radius', () => {
    const pixels = new Uint8Array(1200);
    paintLine(pixels, size, [[10, 10]], 3, 1);
    const expected = pixels.map((_, i) =>
      ((i % 40) + 0.5 - 10) ** 2 + (Math.floor(i / 40) + 0.5 - 10) ** 2 <= 9 ? 1 : 0,
    );
    expect(pixels).toEqual(expected);
  });

  it('a line has no gaps, is cut off at the edge, and erases', () => {
    const pixels = new Uint8Array(1200);
    paintLine(
      pixels,
      size,
      [
        [-5, 15],
        [50, 15],
      ],
      1,
      1,
    );
    for (let x = 0; x < 40; x++) expect(pixels[14 * 40 + x]! + pixels[15 * 40 + x]!).toBe(2);
    expect(pixels.reduce((sum, pixel) => sum + pixel, 0)).toBe(80);
    paintLine(pixels, size, [[20, 15]], 50, 0);
    expect(pixels.includes(1)).toBe(false);
  });

  it('a point inside of a mask is one of its pixels, also of a ring', () => {
    const ring = Uint8Array.from({ length: 1200 }, (_, i) => {
      const far = Math.hypot((i % 40) - 20, Math.floor(i / 40) - 15);
      return far > 8 && far < 12 ? 1 : 0;
    });
    const [x, y] = insideOf(ring, 40)!;
    expect(ring[Math.floor(y) * 40 + Math.floor(x)]).toBe(1);
    expect(insideOf(new Uint8Array(4), 2)).toBeUndefined();
  });
});

/** Colours by theme, from the style sheet. */
function themes(): Record<'dark' | 'light', Record<string, string>> {
  const css = readFileSync(new URL('../src/styles/base.css', import.meta.url), 'utf8');
  const block = (selector: string) => {
    const body = css.slice(css.indexOf(`${selector} {`)).split('}')[0]!;
    return Object.fromEntries([...body.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, hex]) => [name!, hex!]));
  };
  return { dark: block(':root'), light: block(':root[data-theme="light"]') };
}

const luminance = (hex: string) =>
  [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, i) => sum + value * [0.2126, 0.7152, 0.0722][i]!, 0);

const contrast = (a: string, b: string) => {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light! + 0.05) / (dark! + 0.05);
};

describe.each(Object.entries(themes()))('colours, %s', (_, colours) => {
  it('texts stand out from every panel', () => {
    for (const text of ['text', 'text-2', 'accent', 'danger', 'warning']) {
      for (const panel of ['bg', 'panel', 'raised']) {
        expect(contrast(colours[text]!, colours[panel]!), `${text} on ${panel}`).toBeGreaterThanOrEqual(4.5);
      }
    }
    expect(contrast(colours['accent-text']!, colours['accent']!)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colours['danger']!, colours['danger-bg']!)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colours['warning']!, colours['warning-bg']!)).toBeGreaterThanOrEqual(4.5);
  });

  it('controls stand out from what they are on', () => {
    for (const panel of ['bg', 'panel']) {
      expect(contrast(colours['control']!, colours[panel]!), panel).toBeGreaterThanOrEqual(3);
    }
  });
});
