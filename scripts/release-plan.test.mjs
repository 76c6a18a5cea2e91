import { describe, expect, it } from 'vitest';
import { findFaults, publishingOrder } from './release-plan.mjs';

const tarball = (name, version = '1.2.0', dependencies = {}, rest = {}) => ({
  manifest: { name, version, dependencies, ...rest },
  changelog: `# ${name}\n\n## ${version}\n\nNews.\n`,
});
const kernels = tarball('@s/kernels');
const models = tarball('@s/models', '1.2.0', { '@s/kernels': '1.2.0', other: '^9.0.0' });
const track = tarball('a-track', '1.2.0', { '@s/models': '1.2.0', '@s/kernels': '1.2.0' });
const ready = { tarballs: [kernels, models, track], pending: [], changes: '' };

describe('a release', () => {
  it('is published from below', () => {
    for (const given of [
      [track, models, kernels],
      [models, kernels, track],
    ]) {
      expect(publishingOrder(given)).toEqual([kernels, models, track]);
    }
    const low = tarball('z', '1.2.0', {});
    const high = tarball('a', '1.2.0', {}, { peerDependencies: { z: '1.2.0' } });
    expect(publishingOrder([high, low])).toEqual([low, high]);
  });

  it('that depends on itself is refused', () => {
    const [a, b] = [tarball('a', '1.0.0', { b: '1.0.0' }), tarball('b', '1.0.0', { a: '1.0.0' })];
    expect(() => publishingOrder([a, b])).toThrow('depends on itself');
  });

  it('is ready where nothing is wrong', () => {
    expect(findFaults(ready)).toEqual([]);
  });

  it.each([
    ['work in progress', { ...ready, changes: ' M README.md' }, 'not committed'],
    ['a change in no version', { ...ready, pending: ['kind-dogs-run.md'] }, 'kind-dogs-run.md'],
    ['two versions', { ...ready, tarballs: [kernels, tarball('a-track', '1.3.0')] }, '@s/kernels@1.2.0, a-track@1.3.0'],
    [
      'an older package within',
      { ...ready, tarballs: [kernels, tarball('m', '1.2.0', { '@s/kernels': '^1.1.0' })] },
      '1.1.0',
    ],
    ['a private package', { ...ready, tarballs: [tarball('m', '1.2.0', {}, { private: true })] }, 'm is private'],
    [
      'a changelog that lags behind',
      { ...ready, tarballs: [{ ...kernels, changelog: '# k\n\n## 1.2.0-beta\n' }] },
      'says nothing of 1.2.0',
    ],
  ])('with %s is held back', (_, given, reason) => {
    const faults = findFaults(given);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(reason);
  });
});
