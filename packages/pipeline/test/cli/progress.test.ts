/** What commands say on stderr while they work. */
import { afterEach, expect, it, vi } from 'vitest';
import { counted, Report } from '../../src/cli/common/progress.js';

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

it('counts things as people do', () => {
  expect([0, 1, 2].map((count) => counted(count, 'frame'))).toEqual(['0 frames', '1 frame', '2 frames']);
});

it('without a terminal, says of weights only what takes its time', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  const written: string[] = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const load = (name: string, milliseconds: number) => {
    const onProgress = new Report().loading(name);
    for (let bytes = 0; bytes <= 4e6; bytes += 1e6) {
      onProgress({ bytes, total: 4e6 });
      vi.advanceTimersByTime(milliseconds);
    }
  };
  load('quick', 10);
  expect(written).toEqual([]);
  load('slow', 600);
  expect(written).toEqual([2, 3, 4].map((done) => `loading slow, ${done}.0 of 4.0 MB\n`));
});

it('on a terminal, keeps one line for weights that are read in several passes, and the text where it is narrow', () => {
  const written: string[] = [];
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  const { isTTY, columns } = process.stderr;
  try {
    Object.assign(process.stderr, { isTTY: true, columns: 40 });
    const onProgress = new Report().loading('x');
    for (const bytes of [1e6, 4e6, 1e6, 4e6]) onProgress({ bytes, total: 4e6 });
    process.stderr.columns = 60;
    new Report().progress('frame 1/2', 0.5);
  } finally {
    Object.assign(process.stderr, { isTTY, columns });
    spy.mockRestore();
  }
  expect(written.map((text) => text.replace('\r\x1b[K', ''))).toEqual([
    'loading x, 1.0 of 4.0 MB',
    'loading x, 4.0 of 4.0 MB',
    '\n',
    `[${'#'.repeat(12)}${'.'.repeat(12)}] frame 1/2`,
  ]);
});
