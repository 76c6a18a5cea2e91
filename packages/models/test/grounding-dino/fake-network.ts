import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import type { GroundingNetwork } from '../../src/grounding-dino/detector.js';
import type { CaptionTokens } from '../../src/grounding-dino/text/index.js';
import type { ImageFeatures, RawDetections, TextFeatures } from '../../src/grounding-dino/types.js';

/** What a query of the fake network says: its box, and how well it fits tokens, by their texts or columns. */
export interface FakeQuery {
  /** Centre, width and height as shares of the picture. */
  box?: readonly [number, number, number, number];
  /** Probability by the text of a token, such as `cat`, or by its column. All others have 0.01. */
  fits: Readonly<Record<string, number>>;
}

const logit = (p: number) => Math.log(p / (1 - p));

/** A network that answers what it is told to, and counts what it is asked. */
export class FakeNetwork implements GroundingNetwork {
  readonly images: number[][] = [];
  readonly captions: string[] = [];
  /** Features that were made and not disposed. */
  held = 0;
  /** How often `detect` ran. */
  runs = 0;
  /** Called by `detect`. */
  onDetect: () => unknown = () => {};
  readonly #captionOf = new Map<TextFeatures, CaptionTokens>();

  constructor(public queries: readonly FakeQuery[] = []) {}

  encodeImage(image: Tensor3D): ImageFeatures {
    this.images.push(image.shape);
    this.held++;
    const none = undefined as unknown as Tensor2D;
    return { tokens: none, levels: [], dispose: () => void this.held-- };
  }

  encodeText(caption: CaptionTokens): TextFeatures {
    this.captions.push(caption.text);
    this.held++;
    const features = { dispose: () => void this.held-- } as unknown as Tensor2D;
    const { mask, positionIds } = caption;
    const text = { features, mask, positionIds, tokenMask: new Uint8Array(caption.ids.length).fill(1) };
    this.#captionOf.set(text, caption);
    return text;
  }

  async detect(_image: ImageFeatures, text: TextFeatures): Promise<RawDetections> {
    this.runs++;
    await this.onDetect();
    return this.answer(this.#captionOf.get(text)!);
  }

  answer({ ids, text, offsets }: CaptionTokens): RawDetections {
    const tokens = ids.length;
    const logits = new Float32Array(this.queries.length * tokens);
    const boxes = new Float32Array(this.queries.length * 4);
    for (const [q, { box = [0.5, 0.5, 0.2, 0.2], fits }] of this.queries.entries()) {
      boxes.set(box, 4 * q);
      for (const [t, offset] of offsets.entries()) {
        logits[q * tokens + t] = logit(fits[t] ?? (offset && fits[text.slice(...offset)]) ?? 0.01);
      }
    }
    return { queries: this.queries.length, tokens, logits, boxes };
  }
}
