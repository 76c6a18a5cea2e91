/** How the image tokens are divided. */
export interface BiAttentionPlan {
  /** Tokens whose scores are held at once, a multiple of `chunk` unless they are all. */
  blockRows: number;
  /** Tokens that are summed together for the text, a multiple of 4. */
  chunk: number;
  /** Chunks of all the tokens. */
  chunks: number;
}

/** Scores held at once, in bytes. */
const WORKSPACE_BYTES = 32 * 2 ** 20;
/** Sums of all chunks together, in bytes, unless a single chunk's scores would then need more than the workspace. */
const SUM_BYTES = 24 * 2 ** 20;
const SHORTEST_CHUNK = 256;

/**
 * Divides the image tokens: many chunks keep a GPU busy where the text is short, few keep the sums small where it is long.
 */
export function planBiAttention(
  { tokens, columns, channels }: { tokens: number; columns: number; channels: number },
  workspaceBytes = WORKSPACE_BYTES,
): BiAttentionPlan {
  const mostChunks = Math.max(1, Math.floor(SUM_BYTES / (4 * columns * channels)));
  const longest = workspaceBytes / (4 * columns);
  let chunk = SHORTEST_CHUNK;
  while (chunk * mostChunks < tokens && 2 * chunk <= longest) chunk *= 2;
  const blockRows = chunk * Math.max(1, Math.floor(workspaceBytes / (4 * columns * chunk)));
  return { blockRows, chunk, chunks: Math.ceil(tokens / chunk) };
}
