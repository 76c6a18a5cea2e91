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
