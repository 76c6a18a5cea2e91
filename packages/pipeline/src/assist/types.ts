import type { Box, TrackingDirection } from '@samtrack/models';
import type { Frame, RgbaImage, Rle } from '../io/index.js';

export type { Box };

/** A point in pixels of the image: x to the right, y downwards. */
export type Point = readonly [x: number, y: number];

/** What a segmenter is shown of one object: points, box and mask in any combination, or a stroke. */
export interface SegmentPrompt {
  /** Points on the object or beside it. */
  points?: readonly Point[] | undefined;
  /** For each point 1 (on the object) or 0 (beside it); all 1 if left out. */
  labels?: readonly number[] | undefined;
  box?: Box | undefined;
  /** An earlier mask of the object, of the image's size. */
  mask?: Rle | undefined;
  /** A line drawn over the object, as its points. */
  stroke?: readonly Point[] | undefined;
}

/** A mask that a segmenter proposes, of the image's size. */
export interface MaskCandidate {
  mask: Rle;
  /** Predicted quality, 0..1: an estimate of the IoU with the true mask. */
  score: number;
}

/** The mask of an object in another frame of its video. */
export interface KnownMask {
  frame: Frame;
  mask: Rle;
  /** Whether it was given, or found. */
  given: boolean;
}

/** Options of `Segmenter.everything`; the defaults are SAM-Track's. */
export interface EverythingOptions {
  /** Grid points along each side of the image; 16. */
  pointsPerSide?: number | undefined;
  /** Least predicted IoU; 0.8, of the segmenter that comes with samtrack 0.5. */
  predIouThresh?: number | undefined;
  /** Least stability under a shift of the threshold; 0.9, of the segmenter that comes with samtrack 0.5. */
  stabilityScoreThresh?: number | undefined;
  /** Layers of crops, each with twice as many crops a side; 1. */
  cropNLayers?: number | undefined;
  /** Islands and holes below so many pixels are removed; 200. */
  minMaskRegionArea?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called with the share that is done, 0..1. */
  onProgress?: ((fraction: number) => void) | undefined;
}

/** One mask of `Segmenter.everything`. */
export interface EverythingRecord extends MaskCandidate {
  /** Tight box around the mask: left, top, width, height, as in COCO. A `Box` has corners. */
  bbox: readonly [x: number, y: number, width: number, height: number];
  /** Pixels of the mask. */
  area: number;
  /** 0..1: IoU of the masks at a raised and a lowered threshold. */
  stability: number;
}

/** Segments one object of an image from prompts, or all there are. SAM is one; anything that fits will do. */
export interface Segmenter {
  readonly name: string;
  /** Makes an image the one that `predict` looks at. What is computed for it is kept until the next image. */
  setImage(image: RgbaImage, options?: { signal?: AbortSignal | undefined }): Promise<void>;
  /**
   * Masks of the prompted object in the current image, best first.
   * @param options.refine Show the best mask to the network once more, as SAM-Track does; default true.
   */
  predict(
    prompt: SegmentPrompt,
    options?: { refine?: boolean; signal?: AbortSignal | undefined },
  ): Promise<MaskCandidate[]>;
  /**
   * The mask of an object, from points or a box in one frame and from its masks in others. Missing where a segmenter remembers nothing.
   * @param known In the order in which they are to be remembered.
   * @param direction The way in which the video is tracked.
   */
  predictKnown?(
    frame: Frame,
    prompt: Pick<SegmentPrompt, 'points' | 'labels' | 'box'>,
    known: readonly KnownMask[],
    options: { direction: TrackingDirection; signal?: AbortSignal | undefined },
  ): Promise<Rle>;
  /** All objects of an image, in descending predicted IoU. Replaces the current image. */
  everything(image: RgbaImage, options?: EverythingOptions): Promise<EverythingRecord[]>;
  /** Idempotent. */
  dispose(): void;
}

/** What a detector looks for, and how sure it must be. */
export interface DetectOptions {
  /** A caption; classes in it are separated by full stops. Either this or `classes`. */
  text?: string | undefined;
  /** Class names, each looked for by itself. */
  classes?: readonly string[] | undefined;
  /** Least score of a box, 0..1; 0.25. */
  boxThreshold?: number | undefined;
  /** Least score of a word of the label, 0..1; 0.25. */
  textThreshold?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** An object found by its description. */
export interface Detection {
  /** In pixels, within the image. */
  box: Box;
  /** The words of the text that the box goes with, or the class name. */
  label: string;
  /** 0..1. */
  score: number;
}

/** Finds objects by a text. Grounding DINO is one. */
export interface Detector {
  readonly name: string;
  /** Boxes in descending score; empty if nothing is found. */
  detect(image: RgbaImage, options: DetectOptions): Promise<Detection[]>;
  /** Idempotent. */
  dispose(): void;
}
