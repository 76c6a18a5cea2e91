/** What is wrong with a call of SAM 2. */
export type Sam2ErrorCode = 'option' | 'prompt' | 'frame' | 'object' | 'no-prompt' | 'image';

/** A call that SAM 2 refuses; `message` names what is at fault. */
export class Sam2Error extends Error {
  override readonly name = 'Sam2Error';
  constructor(
    readonly code: Sam2ErrorCode,
    message: string,
  ) {
    super(message);
  }
}
