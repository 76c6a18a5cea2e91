/** What frames can be read from: a path (Node), a video's or image's Blob or File, or the files of an image folder. */
export type SourceInput = string | Blob | readonly File[];

/** What single files can be read from: a path (Node), a Blob or File, or the bytes themselves. */
export type BinarySource = string | Blob | Uint8Array;

/** Options of `openSource`. */
export interface OpenSourceOptions {
  /** Frames per second of an image folder; default 24. Videos carry their own times. */
  fps?: number;
  /** Sequence to open where the input is a DAVIS root folder. */
  sequence?: string;
  /** Files (Node) that are no frames though they lie in the folder of images, such as a mask. */
  exclude?: readonly string[];
  /** Resolution folder of a DAVIS root; default `480p`. */
  resolution?: string;
}
