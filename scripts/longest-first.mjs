// The order of test files. Vitest knows how long they take only where they ran before; on a fresh machine what takes a minute
// would begin when the others have ended.
import { BaseSequencer } from 'vitest/node';

/** Files that take more than about ten seconds on two cores, the longest first. The first two compile for minutes where the shader cache is empty. */
export const LONG = [
  'packages/kernels/src/ops/ops.test.ts',
  'packages/kernels/test/subgroup-sizes.test.ts',
  'packages/farm/test/tracker-faults.test.ts',
  'packages/app/test/tracking.test.ts',
  'packages/app/test/robust.test.ts',
  'packages/app/test/network.test.ts',
  'packages/app/test/export.test.ts',
  'packages/app/test/prompts.test.ts',
  'packages/farm/test/tracker.test.ts',
  'packages/app/test/walks.test.ts',
  'packages/farm/test/faults.test.ts',
  'packages/models/test/sam2/replay.test.ts',
  'packages/models/test/tracking/snapshot.test.ts',
  'packages/pipeline/test/tracking/run-memory.test.ts',
  'packages/models/test/sam2/golden.test.ts',
  'packages/app/test/models.test.ts',
  'packages/app/test/formats.test.ts',
  'packages/models/test/grounding-dino/replay.test.ts',
  'packages/pipeline/test/tracking/video-tracker.test.ts',
  'packages/pipeline/test/session/resume.test.ts',
  'packages/pipeline/test/session/long.test.ts',
  'packages/models/test/sam/replay.test.ts',
  'packages/kernels/test/browser/browser.test.ts',
  'packages/app/test/accessibility.test.ts',
  'bench/test/web.test.ts',
  'packages/models/test/sam2/tracker.test.ts',
  'packages/models/test/grounding-dino/model.test.ts',
  'packages/pipeline/test/session/sam2.test.ts',
  'bench/test/tracer.test.ts',
  'packages/pipeline/test/cli/default-segmenter.test.ts',
  'packages/models/test/deaot/tracker.test.ts',
  'packages/farm/test/day.test.ts',
  'packages/pipeline/test/cli/detect.test.ts',
  'packages/pipeline/test/engine/agreement.test.ts',
  'packages/models/test/sam-small/golden.test.ts',
  'packages/pipeline/test/cli/prompts.test.ts',
  'packages/app/test/start.test.ts',
  'packages/app/test/screenshot.test.ts',
  'consumers/test/packages.test.ts',
  'consumers/test/snippets.test.ts',
  'packages/pipeline/test/tracking/zoom.test.ts',
  'consumers/test/browser.test.ts',
];

/** Starts long files first, whatever their project, and so lets those that wait run beside those that compute. */
export class LongestFirst extends BaseSequencer {
  async sort(files) {
    const place = ({ moduleId }) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at < 0 ? LONG.length : at;
    };
    const group = ({ project }) => project.config.sequence.groupOrder;
    return (await super.sort(files)).sort((a, b) => group(a) - group(b) || place(a) - place(b));
  }
}
