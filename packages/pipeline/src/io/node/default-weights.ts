/** The weights of a model that come with the program; nothing where there are none. */
export async function defaultWeights(model: string): Promise<{ path: string; longEdge: number } | undefined> {
  const { embeddedWeights } = await import('@samtrack/weights/node');
  return embeddedWeights(model);
}
