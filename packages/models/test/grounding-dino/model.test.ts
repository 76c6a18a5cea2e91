/** What the network promises besides its numbers: files of every origin, features that serve again, masks, small images, errors. */
import { initialize, type Runtime, shutdown, stockOps } from '@samtrack/kernels';
import { concat, memory, type Rank, type Tensor3D, tensor3d, tidy, zeros } from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CaptionTokens,
  type Checkpoint,
  CheckpointError,
  decodeF16,
  encodeF16,
  GroundingDino,
  loadTokenizer,
  openCheckpoint,
  openManifest,
  preprocessCaption,
  type RawDetections,
  type TextFeatures,
  tokenizeCaption,
} from '../../src/index.js';
import { groundingDinoManifest, TINY_CONFIG } from '../../src/testing/index.js';
import { officialFile, transformersFile } from '../fixtures/grounding-dino/checkpoint-files.js';

const manifest = groundingDinoManifest(TINY_CONFIG, 3);
let runtime: Runtime;
let model: GroundingDino;
let caption: CaptionTokens;
beforeAll(async () => {
  runtime = await initialize();
  model = await GroundingDino.load(openManifest(manifest));
  caption = tokenizeCaption(preprocessCaption('a cat. remote control'), await loadTokenizer());
});
afterAll(() => {
  model.dispose();
  shutdown(runtime);
});

const image = (height: number, width: number, phase = 0): Tensor3D =>
  tensor3d(
    Float32Array.from({ length: height * width * 4 }, (_, i) =>
      i % 4 === 3 ? 0 : 1.5 * Math.sin(i * 0.013 + phase) + Math.cos(Math.floor(i / 4 / width) * 0.3),
    ),
    [height, width, 4],
  );

/** Encodes and detects, and frees everything. */
async function detect(network: GroundingDino, size: readonly [number, number] = [70, 93]): Promise<RawDetections> {
  const input = image(...size);
  const features = network.encodeImage(input);
  const text = network.encodeText(caption);
  try {
    return await network.detect(features, text);
  } finally {
    features.dispose();
    text.features.dispose();
    input.dispose();
  }
}

/** Normalised squared error. */
const difference = (a: Float32Array, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0) / b.reduce((sum, x) => sum + x ** 2, 0);
};

describe('GroundingDino', () => {
  it('finds the same with the official file and with that of Hugging Face', async () => {
    const found: RawDetections[] = [];
    for (const make of [officialFile, transformersFile]) {
      const file = await openCheckpoint(await make(manifest));
      const network = await GroundingDino.load(file);
      expect(network.config).toEqual(TINY_CONFIG);
      expect(network.unexpectedKeys).toEqual([]);
      found.push(await detect(network));
      network.dispose();
      await file.close();
    }
    expect(found[0]!.logits).toEqual(found[1]!.logits);
    expect(found[0]!.boxes).toEqual(found[1]!.boxes);
    const network = await GroundingDino.load(inFloat16(openManifest(manifest)));
    expect(found[0]!.logits).toEqual((await detect(network)).logits);
    network.dispose();
  });

  it('computes the same on stock operations', async () => {
    const stock = await GroundingDino.load(openManifest(manifest), { ops: stockOps });
    const [ours, theirs] = [await detect(model), await detect(stock)];
    expect(difference(ours.logits, theirs.logits)).toBeLessThan(1e-9);
    expect(difference(ours.boxes, theirs.boxes)).toBeLessThan(1e-9);
    stock.dispose();
  });

  it('asks one image for several captions, and frees all but its features', async () => {
    const before = memory().numTensors;
    const input = image(70, 93);
    const features = model.encodeImage(input);
    const text = model.encodeText(caption);
    const kept = memory().numTensors;
    const first = await model.detect(features, text);
    const other = model.encodeText(tokenizeCaption(preprocessCaption('two dogs'), await loadTokenizer()));
    expect((await model.detect(features, other)).tokens).toBe(5);
    other.features.dispose();
    expect(await model.detect(features, text)).toEqual(first);
    expect(memory().numTensors).toBe(kept);
    features.dispose();
    for (const tensor of [text.features, input]) tensor.dispose();
    expect(memory().numTensors).toBe(before);
    expect(first).toMatchObject({ queries: TINY_CONFIG.queries, tokens: caption.ids.length });
  });

  it('does not look at masked tokens, however many there are', async () => {
    const input = image(70, 93);
    const features = model.encodeImage(input);
    const text = model.encodeText(caption);
    const plain = await model.detect(features, text);
    for (const padding of [1, 6]) {
      const padded = withPadding(text, padding);
      const found = await model.detect(features, padded);
      expect(difference(found.boxes, plain.boxes)).toBeLessThan(1e-10);
      const { tokens, queries } = found;
      const rows = Array.from({ length: queries }, (_, q) => found.logits.subarray(q * tokens, (q + 1) * tokens));
      for (const row of rows) {
        expect([...row.subarray(plain.tokens)]).toEqual(new Array(padding).fill(Number.NEGATIVE_INFINITY));
      }
      const logits = Float32Array.from(rows.flatMap((row) => [...row.subarray(0, plain.tokens)]));
      expect(difference(logits, plain.logits)).toBeLessThan(1e-10);
      padded.features.dispose();
    }
    features.dispose();
    for (const tensor of [text.features, input]) tensor.dispose();
  });

  it('has as many queries as a tiny image has tokens', async () => {
    const { queries, boxes } = await detect(model, [5, 18]);
    // 1 x 3, 1 x 2, 1 x 1 and 1 x 1 tokens.
    expect(queries).toBe(7);
    expect(boxes.every((share) => share >= 0 && share <= 1)).toBe(true);
  });

  it('reports its stages and stops when told to', async () => {
    const input = image(70, 93);
    const features = model.encodeImage(input);
    const text = model.encodeText(caption);
    const before = memory().numTensors;
    const stages: string[] = [];
    await model.detect(features, text, { onStage: (stage) => void stages.push(stage) });
    expect(stages).toEqual(['encoder', 'selection', 'decoder']);
    const { signal, abort } = abortable();
    const late = model.detect(features, text, {
      signal,
      onStage: (stage) => (stage === 'selection' ? abort('late') : undefined),
    });
    await expect(late).rejects.toBe('late');
    await expect(model.detect(features, text, { signal })).rejects.toBe('late');
    expect(memory().numTensors).toBe(before);
    features.dispose();
    for (const tensor of [text.features, input]) tensor.dispose();
  });

  it('names what a file lacks, frees what it had read, and tells how far it is', async () => {
    const before = memory().numTensors;
    const lacking = (key: string): Checkpoint => {
      const tensors = manifest.tensors.filter(({ name }) => name !== key);
      return openManifest({ ...manifest, tensors }, 'half.pth');
    };
    for (const key of ['transformer.encoder.fusion_layers.0.attn.l_proj.bias', 'transformer.decoder.norm.weight']) {
      const loading = GroundingDino.load(lacking(key));
      await expect(loading).rejects.toThrow(CheckpointError);
      await expect(loading).rejects.toThrow(key);
    }
    expect(memory().numTensors).toBe(before);
    const progress: number[] = [];
    const network = await GroundingDino.load(lacking('bert.pooler.dense.weight'), {
      onProgress: (fraction) => progress.push(fraction),
    });
    network.dispose();
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBe(1);
    expect(memory().numTensors).toBe(before);
  });
});

/** A checkpoint with its values rounded as the files have them. */
const inFloat16 = (checkpoint: Checkpoint): Checkpoint => ({
  ...{ format: checkpoint.format, file: checkpoint.file, keys: checkpoint.keys, metadata: checkpoint.metadata },
  has: (key) => checkpoint.has(key),
  info: (key) => checkpoint.info(key),
  read: async (key) => {
    const { data, ...rest } = await checkpoint.read(key);
    return { ...rest, data: decodeF16(encodeF16(data)) };
  },
  readRaw: (key) => checkpoint.readRaw(key),
  close: () => checkpoint.close(),
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (reason: string) => controller.abort(reason) };
}

/** A caption with tokens after it that are not to be looked at. */
function withPadding({ features, mask, positionIds, tokenMask }: TextFeatures, padding: number): TextFeatures {
  const [length, channels] = features.shape;
  const longer = length + padding;
  const wide = new Uint8Array(longer * longer);
  for (let i = 0; i < longer; i++) {
    for (let j = 0; j < longer; j++) {
      wide[i * longer + j] = i < length && j < length ? mask[i * length + j]! : Number(i === j);
    }
  }
  return {
    features: tidy(() => concat([features, zeros<Rank.R2>([padding, channels])], 0)),
    mask: wide,
    positionIds: Int32Array.from({ length: longer }, (_, i) => positionIds[i] ?? 0),
    tokenMask: Uint8Array.from({ length: longer }, (_, i) => tokenMask[i] ?? 0),
  };
}
