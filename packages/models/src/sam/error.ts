/** What is wrong with a request to Segment Anything; stable, meant for `switch`. */
export type SamErrorCode =
  /** There is no image yet. */
  | 'no-image'
  /** A prompt that says nothing, or contradicts itself or the image. */
  | 'prompt'
  /** An option has a value that it cannot have. */
  | 'option'
  /** An image that the network cannot take. */
  | 'image'
  /** A saved embedding that is damaged or belongs to other weights. */
  | 'embedding';

/** A request that Segment Anything cannot answer; the message names the prompt, option or size at fault. */
export class SamError extends Error {
  override readonly name = 'SamError';
  constructor(
    readonly code: SamErrorCode,
    message: string,
  ) {
    super(message);
  }
}
