/** Pages load their weights from a URL. */
export async function defaultWeights(_model: string): Promise<{ path: string; longEdge: number } | undefined> {
  return undefined;
}
