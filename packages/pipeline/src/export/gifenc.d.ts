declare module 'gifenc' {
  /** RGB triples. */
  export type GifPalette = number[][];

  export interface GifStream {
    /** What has been written since the last reset; valid until the next write. */
    bytesView(): Uint8Array;
    reset(): void;
  }

  export interface Gif {
    readonly stream: GifStream;
    writeFrame(
      index: Uint8Array,
      width: number,
      height: number,
      options: {
        palette?: GifPalette;
        /** Milliseconds; the file holds hundredths of a second. */
        delay?: number;
        /** -1: once; 0: for ever. */
        repeat?: number;
      },
    ): void;
    finish(): void;
  }

  export interface Gifenc {
    GIFEncoder(): Gif;
    quantize(rgba: Uint8Array, colours: number): GifPalette;
    applyPalette(rgba: Uint8Array, palette: GifPalette): Uint8Array;
  }

  /** Node sees the CommonJS build, whose exports are those of this object. */
  const gifenc: Gifenc;
  export default gifenc;
  export const GIFEncoder: Gifenc['GIFEncoder'];
  export const quantize: Gifenc['quantize'];
  export const applyPalette: Gifenc['applyPalette'];
}
