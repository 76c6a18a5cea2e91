/** What is captured and replayed is what would be computed anew, bit by bit, whatever happens in between. */
import { initialize, type Runtime, shutdown } from '@samtrack/kernels';
import { memory, type Tensor3D, tensor3d } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  GroundingDino,
  loadTokenizer,
  openManifest,
  preprocessCaption,
  type RawDetections,
  tokenizeCaption,
} from '../../src/index.js';
import { groundingDinoManifest, TINY_CONFIG } from '../../src/testing/index.js';

const manifest = groundingDinoManifest(TINY_CONFIG, 3);
let runtime: Runtime;
let plain: GroundingDino;
let model: GroundingDino;
beforeAll(async () => {
  runtime = await initialize();
  plain = await GroundingDino.load(openManifest(manifest), { replay: false });
  model = await GroundingDino.load(openManifest(manifest), { replay: true });
});
afterAll(() => {
  model.dispose();
  plain.dispose();
  expect(memory().numTensors).toBe(0);
  shutdown(runtime);
});

const image = (phase: number, [height, width]: readonly [number, number] = [70, 93]): Tensor3D =>
  tensor3d(
    Float32Array.from({ length: height * width * 4 }, (_, i) =>
      i % 4 === 3 ? 0 : 1.5 * Math.sin(i * 0.013 + phase) + Math.cos(Math.floor(i / 4 / width) * 0.3),
    ),
    [height, width, 4],
  );

interface Asked {
  phase: number;
  caption: string;
  size?: readonly [number, number];
  /** Tokens not to be looked at. */
  masked?: readonly number[];
}

/** All three branches, from an image and a caption to what is found. */
async function ask(
  network: GroundingDino,
  { phase, caption, size, masked = [] }: Asked,
  options: Parameters<GroundingDino['detect']>[2] = {},
): Promise<RawDetections> {
  const input = image(phase, size);
  const features = network.encodeImage(input);
  const text = network.encodeText(tokenizeCaption(preprocessCaption(caption), await loadTokenizer()));
  for (const token of masked) text.tokenMask[token] = 0;
  input.dispose();
  try {
    return await network.detect(features, text, options);
  } finally {
    features.dispose();
    text.features.dispose();
  }
}

const CAT: Asked = { phase: 0, caption: 'a cat. remote control' };
/** As many tokens, in other sub-sentences. */
const DOG: Asked = { phase: 0, caption: 'red dog on. two' };

async function gpu() {
  await runtime.finish();
  return { ...runtime.memory(), tensors: memory().numTensors };
}

describe('a replayed Grounding DINO', () => {
  it('finds what a plain one finds: other images, other captions of as many tokens or not, other sizes', async () => {
    const asked: Asked[] = [
      ...[0, 1, 2, 3].map((phase) => ({ ...CAT, phase })),
      DOG,
      { ...DOG, phase: 5 },
      // Between two replays: another length, another size, and masked tokens, which have launches of their own.
      { phase: 1, caption: 'two dogs' },
      { ...CAT, size: [5, 18] },
      { ...CAT, masked: [2] },
      { ...CAT, phase: 7 },
      { ...CAT, phase: 3, masked: [1, 3] },
      { ...CAT, phase: 3, masked: [2] },
      { phase: 4, caption: 'two dogs' },
      { ...CAT, size: [5, 18], phase: 2 },
      { ...CAT, size: [5, 18], phase: 3 },
      CAT,
    ];
    const seen = new Set<string>();
    for (const one of asked) {
      const expected = await ask(plain, one);
      expect(await ask(model, one), JSON.stringify(one)).toEqual(expected);
      seen.add(expected.boxes.join());
    }
    expect(seen.size).toBe(asked.length - 1);
  });

  it('records nothing anew, and takes no more memory from image to image', async () => {
    for (let i = 0; i < 3; i++) await ask(model, CAT);
    const before = await gpu();
    const expected = await ask(plain, { ...CAT, phase: 9 });
    runtime.trim();
    for (let i = 0; i < 8; i++) expect(await ask(model, { ...CAT, phase: 9 })).toEqual(expected);
    const after = await gpu();
    expect(after.tensors).toBe(before.tensors);
    // What an image leaves in the pool: its pixels, its features, and those of the caption.
    expect(after.allocatedBytes).toBeLessThanOrEqual(before.allocatedBytes);
  });

  it('shows intermediates to those who ask, from a plain pass, and goes on', async () => {
    const expected = await ask(plain, { ...CAT, phase: 2 });
    for (let i = 0; i < 2; i++) {
      const names: string[] = [];
      const found = await ask(model, { ...CAT, phase: 2 }, { onTap: (name) => void names.push(name) });
      expect(found).toEqual(expected);
      expect(names).toContain('two_stage.memory');
      expect(await ask(model, { ...CAT, phase: 2 })).toEqual(expected);
    }
  });

  it('is right for requests at the same time', async () => {
    const asked = [1, 2, 3, 4].map((phase) => ({ ...CAT, phase }));
    const expected = [];
    for (const one of asked) expected.push(await ask(plain, one));
    expect(await Promise.all(asked.map((one) => ask(model, one)))).toEqual(expected);
  });

  it('leaves nothing behind when stopped at any stage, first, captured or replayed', async () => {
    const size = [40, 50] as const;
    const expected = await ask(plain, { ...CAT, size });
    for (let round = 0; round < 3; round++) {
      for (const last of ['encoder', 'selection', 'decoder'] as const) {
        const stop = (stage: string) => {
          if (stage === last) throw new Error('stopped');
        };
        await expect(ask(model, { ...CAT, size }, { onStage: stop })).rejects.toThrow('stopped');
        const controller = new AbortController();
        const late = ask(
          model,
          { ...CAT, size },
          { signal: controller.signal, onStage: () => controller.abort('late') },
        );
        await expect(late).rejects.toBe('late');
      }
    }
    const { tensors } = await gpu();
    expect(await ask(model, { ...CAT, size })).toEqual(expected);
    expect((await gpu()).tensors).toBe(tensors);
  });

  it('forgets the sizes and lengths that were not used for longest', async () => {
    const network = await GroundingDino.load(openManifest(manifest), { replay: true });
    const sizes = [
      [40, 50],
      [50, 40],
      [60, 70],
    ] as const;
    const tensors = new Set<number>();
    for (let round = 0; round < 3; round++) {
      for (const size of sizes) {
        // As it is, and captured.
        for (let i = 0; i < 2; i++) await ask(network, { ...CAT, size });
        if (round > 0) tensors.add((await gpu()).tensors);
      }
    }
    expect(tensors.size).toBe(1);
    // More lengths than are remembered of a size.
    for (let words = 1; words < 13; words++) {
      const caption = Array(words).fill('cat').join(' ');
      for (let i = 0; i < 2; i++) await ask(network, { phase: 0, caption, size: sizes[0] });
      tensors.add((await gpu()).tensors);
    }
    expect(await ask(network, { ...CAT, size: sizes[0] })).toEqual(await ask(plain, { ...CAT, size: sizes[0] }));
    // Lengths of captions start over when there are too many: their graphs come and go.
    expect(Math.max(...tensors) - Math.min(...tensors)).toBeLessThan(400);
    network.dispose();
  });

  it('can be disposed while it is asked', async () => {
    const { tensors } = await gpu();
    const network = await GroundingDino.load(openManifest(manifest), { replay: true });
    for (let i = 0; i < 2; i++) await ask(network, CAT);
    await expect(ask(network, CAT, { onStage: () => network.dispose() })).rejects.toThrow('disposed');
    const after = await gpu();
    expect(after.tensors).toBe(tensors);
  });
});
