import { type Frame, type LabelMap, readMask } from '../io/index.js';
import type { FrameReviser } from './track.js';

/**
 * Objects whose masks are given where they appear, as in YouTube-VOS: the given mask lies over what was tracked.
 * Source: aot-benchmark, `Evaluator`.
 */
export class GivenMasks implements FrameReviser {
  readonly lookAhead = 0;

  /** @param masks mask files by frame name */
  constructor(private readonly masks: ReadonlyMap<string, string>) {}

  due({ name }: Frame): boolean {
    return this.masks.has(name);
  }

  /** @throws MaskError */
  async revise({ name, width, height }: Frame, labels: LabelMap): Promise<LabelMap | undefined> {
    const given = await readMask(this.masks.get(name)!, { width, height, allowEmpty: true, dataSet: true });
    if (!given.data.some((id) => id > 0)) return undefined;
    return { width, height, data: labels.data.map((id, i) => given.data[i] || id) };
  }
}
