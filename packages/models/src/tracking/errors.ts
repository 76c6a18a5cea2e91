/** A frame, a label map or a snapshot does not fit, or there is nothing to track. */
export class TrackerError extends Error {
  override readonly name = 'TrackerError';
  constructor(
    readonly code: 'size' | 'no-reference' | 'no-frame' | 'no-objects' | 'snapshot',
    message: string,
  ) {
    super(message);
  }
}

/** Memory that would exceed the promised budget. */
export class OutOfBudgetError extends Error {
  override readonly name = 'OutOfBudgetError';
  constructor(
    readonly neededBytes: number,
    readonly budgetBytes: number,
    what: string,
  ) {
    const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
    super(`${what} needs ${mb(neededBytes)} MB of memory, the budget is ${mb(budgetBytes)} MB.`);
  }
}

/** Default memory of a tracker, in MB. */
export const DEFAULT_MEMORY_MB = 1024;

export const noReference = () => new TrackerError('no-reference', 'Add a reference frame before propagating.');
export const noFrame = () => new TrackerError('no-frame', 'There is no current frame.');
export const noUpdate = () => new TrackerError('no-frame', 'Propagate to a frame before updating the memory.');

/** @throws TrackerError `no-objects` */
export function checkObjects(objects: number): void {
  if (objects < 1) throw new TrackerError('no-objects', 'A reference frame needs at least one object.');
}
