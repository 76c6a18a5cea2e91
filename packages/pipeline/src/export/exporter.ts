import type { Frame, FrameSource } from '../io/frame-source.js';
import type { LabelMap } from '../io/label-map.js';
import type { OutputFolder } from '../io/output-folder.js';
import type { OverlayOptions } from '../io/overlay.js';
import type { PaletteName } from '../io/palette.js';
import type { VideoSource } from '../io/video-source.js';
import type { VideoWriterOptions } from '../io/video-writer.js';
import type { ObjectInfo } from './coco-json.js';

/**
 * Takes the frames and masks of a run one by one, in presentation order, and writes them in one format. Nothing but what a format needs in one piece
 * at its end stays in memory.
 *
 * After an error only `discard` is of use. All methods throw `OutputError`; `add` also `MaskError` (`too-many-objects`) where a format cannot
 * hold an id: ids are never cut off.
 */
export interface Exporter {
  /** The file or folder it makes, relative to the output folder. */
  readonly path: string;
  /** What is missing or different from what was asked, for people to read. */
  readonly warnings: readonly string[];
  /** @param frame its pixels may be read, but not changed or kept */
  add(frame: Frame, labels: LabelMap): Promise<void>;
  /**
   * Completes what it makes.
   * @param stopped the run broke off before its end
   * @returns whether there is anything: without a frame, some formats make no file
   */
  finish(stopped?: boolean): Promise<boolean>;
  /** Removes an unfinished file. Idempotent. */
  discard(): Promise<void>;
}

/** What exporters get to know of a run. */
export interface ExportContext {
  /** An `OwnedFolder`, or a folder that was made for the export alone. */
  folder: OutputFolder;
  /** The source of the frames. */
  source: Pick<FrameSource, 'name' | 'width' | 'height' | 'frameCount'> & Pick<Partial<VideoSource>, 'audio'>;
  /** Names and classes by object id; it may grow during the run. */
  objects?: ReadonlyMap<number, ObjectInfo>;
  /** Colours of indexed PNGs; default `voc`. */
  palette?: PaletteName;
  /** How pictures with masks on them look. */
  overlay?: OverlayOptions;
  /** How videos are encoded. */
  video?: Pick<VideoWriterOptions, 'quality' | 'codecs'>;
  /** Whether videos get the source's sound; default true. */
  audio?: boolean;
  /** Longest side of GIFs, in pixels; default 480. */
  gifEdge?: number;
}
