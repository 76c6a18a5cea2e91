/** Pages load their weights from a URL. */
export async function defaultWeights(_model: string): Promise<string | undefined> {
  return undefined;
}

/** Pages load their weights from a URL. */
export async function defaultSegmenter(): Promise<{ segmenter: string; tracker: string } | undefined> {
  return undefined;
}

/** Pages load their weights from a URL. */
export async function downloadedWeights(_model: string): Promise<string | undefined> {
  return undefined;
}
