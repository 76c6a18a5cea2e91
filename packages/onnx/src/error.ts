/** An operation or an option that has no translation to ONNX. */
export class OnnxTraceError extends Error {
  override readonly name = 'OnnxTraceError';
}

/** ONNX Runtime is not there, is asked for what it cannot be, refused a graph, or failed to run it. */
export class OnnxEngineError extends Error {
  override readonly name = 'OnnxEngineError';
  constructor(
    readonly code: 'not-installed' | 'bad-option' | 'in-use' | 'refused' | 'failed',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
