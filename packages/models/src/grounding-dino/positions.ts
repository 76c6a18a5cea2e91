import { HIDDEN } from './config.js';
import type { LevelSize } from './types.js';

/** Temperature of the image's sine codes, and of the text's. */
const IMAGE_TEMPERATURE = 20;
const TEXT_TEMPERATURE = 10_000;
/** Proposals of a level are this large, and double from level to level. */
const PROPOSAL_SIDE = 0.05;
/** Proposals that come nearer to an edge than this are not used. */
const MARGIN = 0.01;

/** sin, cos, sin, cos, ... of a position at falling frequencies: channels 2 i and 2 i + 1 share one. */
function sineCode(position: number, channels: number, temperature: number): Float32Array {
  return Float32Array.from({ length: channels }, (_, i) => {
    const angle = position / temperature ** ((2 * Math.floor(i / 2)) / channels);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}

/** Tokens of all levels. */
export const tokenCount = (levels: readonly LevelSize[]): number =>
  levels.reduce((sum, { height, width }) => sum + height * width, 0);

/**
 * Position codes of the pyramid, row-major [S, 256]: sine codes of the row (128 channels) and of the column, plus the embedding
 * of the level (GroundingDINO, `position_encoding.py`, `PositionEmbeddingSineHW`).
 * @param levelEmbedding Row-major [levels, 256].
 */
export function imagePositions(levels: readonly LevelSize[], levelEmbedding: Float32Array): Float32Array<ArrayBuffer> {
  const half = HIDDEN / 2;
  const out = new Float32Array(tokenCount(levels) * HIDDEN);
  let at = 0;
  for (const [l, { height, width }] of levels.entries()) {
    const codes = (length: number) =>
      Array.from({ length }, (_, i) => sineCode(((i + 1) / (length + 1e-6)) * 2 * Math.PI, half, IMAGE_TEMPERATURE));
    const [rows, columns] = [codes(height), codes(width)];
    for (const row of rows) {
      for (const column of columns) {
        out.set(row, at);
        out.set(column, at + half);
        for (let c = 0; c < HIDDEN; c++) out[at + c]! += levelEmbedding[l * HIDDEN + c]!;
        at += HIDDEN;
      }
    }
  }
  return out;
}

/** Sine codes of text positions, row-major [L, 256] (GroundingDINO, `utils.py`, `get_sine_pos_embed`). */
export function textPositions(ids: Int32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(ids.length * HIDDEN);
  for (const [i, id] of ids.entries()) out.set(sineCode(id * 2 * Math.PI, HIDDEN, TEXT_TEMPERATURE), i * HIDDEN);
  return out;
}

/** Centre of each token's cell as a share of the image, row-major [S, 2]. */
export function tokenCentres(levels: readonly LevelSize[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(tokenCount(levels) * 2);
  let at = 0;
  for (const { height, width } of levels) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        out[at++] = (x + 0.5) / width;
        out[at++] = (y + 0.5) / height;
      }
    }
  }
  return out;
}

/** The box that each token proposes. */
export interface Proposals {
  /** Logits of centre and size, row-major [S, 4]; zero where invalid. */
  readonly logits: Float32Array<ArrayBuffer>;
  /** 1 for boxes that keep clear of the edges, [S]. */
  readonly valid: Float32Array<ArrayBuffer>;
}

/** A box around every token, larger on coarser levels (GroundingDINO, `utils.py`, `gen_encoder_output_proposals`). */
export function proposals(levels: readonly LevelSize[]): Proposals {
  const centres = tokenCentres(levels);
  const count = tokenCount(levels);
  const logits = new Float32Array(count * 4);
  const valid = new Float32Array(count);
  let i = 0;
  for (const [l, { height, width }] of levels.entries()) {
    const side = PROPOSAL_SIDE * 2 ** l;
    for (const end = i + height * width; i < end; i++) {
      const box = [centres[2 * i]!, centres[2 * i + 1]!, side, side];
      if (!box.every((share) => share > MARGIN && share < 1 - MARGIN)) continue;
      valid[i] = 1;
      logits.set(
        box.map((share) => Math.log(share / (1 - share))),
        4 * i,
      );
    }
  }
  return { logits, valid };
}
