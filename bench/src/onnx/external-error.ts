/** An exported graph is missing, damaged, or another than its benchmark expects. */
export class ExternalGraphError extends Error {
  override readonly name = 'ExternalGraphError';
}
