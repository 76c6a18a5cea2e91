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
const tokenCount = (levels: readonly LevelSize[]): number =>
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
    /** Codes of rows or columns, with the half of the level's embedding that lies under them. */
    const codes = (length: number, channel: number) =>
      Array.from({ length }, (_, i) => {
        const code = sineCode(((i + 1) / (length + 1e-6)) * 2 * Math.PI, half, IMAGE_TEMPERATURE);
        return code.map((value, c) => value + levelEmbedding[l * HIDDEN + channel + c]!);
      });
    const [rows, columns] = [codes(height, 0), codes(width, half)];
    for (const row of rows) {
      for (const column of columns) {
        out.set(row, at);
        out.set(column, at + half);
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

/** The box around a token that it proposes: centre x, centre y, width and height as shares of the image. */
function proposal(levels: readonly LevelSize[], token: number): readonly number[] {
  let index = token;
  for (const [l, { height, width }] of levels.entries()) {
    if (index < height * width) {
      const side = PROPOSAL_SIDE * 2 ** l;
      return [((index % width) + 0.5) / width, (Math.floor(index / width) + 0.5) / height, side, side];
    }
    index -= height * width;
  }
  throw new RangeError(`token ${token} of ${tokenCount(levels)}`);
}

const isInside = (share: number): boolean => share > MARGIN && share < 1 - MARGIN;

/**
 * 1 for tokens whose proposals keep clear of the edges, else 0: [S] (GroundingDINO, `utils.py`,
 * `gen_encoder_output_proposals`).
 */
export function validProposals(levels: readonly LevelSize[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(tokenCount(levels));
  let at = 0;
  for (const [l, { height, width }] of levels.entries()) {
    const fits = isInside(PROPOSAL_SIDE * 2 ** l);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        if (fits && isInside((x + 0.5) / width) && isInside((y + 0.5) / height)) out[at] = 1;
      }
    }
  }
  return out;
}

/** Logits of the proposals of some tokens, row-major [N, 4]; `certain` for those that come too near to an edge. */
export function proposalLogits(
  levels: readonly LevelSize[],
  tokens: Int32Array,
  certain: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(4 * tokens.length).fill(certain);
  for (const [i, token] of tokens.entries()) {
    const box = proposal(levels, token);
    if (box.every(isInside)) {
      out.set(
        box.map((share) => Math.log(share / (1 - share))),
        4 * i,
      );
    }
  }
  return out;
}
