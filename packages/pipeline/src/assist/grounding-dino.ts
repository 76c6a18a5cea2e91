import { type Engine, getEngine } from '@samtrack/kernels';
import {
  boxArea,
  type CheckpointInput,
  clipBox,
  type DetectorOptions,
  GroundingDetector,
  GroundingDino,
  type Wanted,
} from '@samtrack/models';
import type { RgbaImage } from '../io/index.js';
import { type WeightsOptions, withWeights } from '../io/weights.js';
import { DETECTION_DEFAULTS } from './defaults.js';
import type { Detection, DetectOptions, Detector } from './types.js';

/** Options of `GroundingDinoDetector`. */
export interface GroundingDinoDetectorOptions extends DetectorOptions, Omit<WeightsOptions, 'signal'> {}

/** A network on the GPU it was loaded to. */
interface Loaded {
  engine: Engine;
  network: GroundingDino;
  detector: GroundingDetector;
}

/**
 * Grounding DINO as the detector of sessions and modes. Weights are read when something is first looked for, to the GPU that is open
 * then, and once more when another one has been opened since, such as after the loss of the device.
 */
export class GroundingDinoDetector implements Detector {
  readonly name = 'grounding-dino';
  #loaded: Loaded | undefined;
  #disposed = false;

  /** @param weights A `.pth` or safetensors checkpoint: path (Node), URL, file or bytes. */
  constructor(
    private readonly weights: CheckpointInput,
    private readonly options: GroundingDinoDetectorOptions = {},
  ) {}

  /**
   * Boxes are clipped to the image; those outside it are left out, as are boxes of no class where classes are asked for.
   * @throws CheckpointError for unsuitable weights; CaptionError for a text that cannot be asked for; the signal's reason.
   */
  async detect(image: RgbaImage, options: DetectOptions): Promise<Detection[]> {
    const {
      boxThreshold = DETECTION_DEFAULTS.boxThreshold,
      textThreshold = DETECTION_DEFAULTS.textThreshold,
      classes,
      text = '',
      signal,
    } = options;
    const { detector } = await this.#load(signal);
    const { width, height, rgba: data } = image;
    const wanted: Wanted = classes ? { classes } : { text };
    const { detections } = await detector.detect(
      { width, height, data },
      { ...wanted, boxThreshold, textThreshold, signal },
    );
    return detections.flatMap(({ box, score, phrase, index }) => {
      const within = clipBox(box, image);
      const label = classes ? index !== undefined && classes[index] : phrase;
      return label === false || label === undefined || boxArea(within) === 0 ? [] : [{ box: within, label, score }];
    });
  }

  async #load(signal: AbortSignal | undefined): Promise<Loaded> {
    if (this.#disposed) throw new Error('This detector was disposed.');
    const engine = getEngine();
    if (this.#loaded?.engine === engine) return this.#loaded;
    this.#free();
    const options = { ...this.options, signal };
    const network = await withWeights(this.weights, options, (checkpoint) =>
      GroundingDino.load(checkpoint, { signal }),
    );
    this.#loaded = { engine, network, detector: new GroundingDetector(network, this.options) };
    return this.#loaded;
  }

  #free(): void {
    this.#loaded?.detector.dispose();
    this.#loaded?.network.dispose();
    this.#loaded = undefined;
  }

  dispose(): void {
    this.#disposed = true;
    this.#free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
