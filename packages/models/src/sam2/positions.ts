/**
 * Sines and cosines of the rows and columns of a square (sam2, `modeling/position_encoding.py`): half of the channels from
 * rows, half from columns, positions from above 0 to 2 pi.
 * @returns flat [side^2, channels].
 */
export function sinePositions(side: number, channels: number): Float32Array {
  const half = channels / 2;
  const out = new Float32Array(side * side * channels);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < channels; c++) {
        const j = c % half;
        const position = (((c < half ? y : x) + 1) / (side + 1e-6)) * 2 * Math.PI;
        const angle = position / 10000 ** ((2 * Math.floor(j / 2)) / half);
        out[(y * side + x) * channels + c] = j % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }
    }
  }
  return out;
}

/** Sines, then cosines, of one position (sam2, `get_1d_sine_pe`). */
export function sineOf(position: number, channels: number): Float32Array {
  const half = channels / 2;
  const out = new Float32Array(channels);
  for (let j = 0; j < half; j++) {
    const angle = position / 10000 ** ((2 * Math.floor(j / 2)) / half);
    out[j] = Math.sin(angle);
    out[half + j] = Math.cos(angle);
  }
  return out;
}

/**
 * Rotary positions on a square (Su et al., "RoFormer", 2021; in two dimensions as sam2, `compute_axial_cis`): neighbouring
 * channels are a pair that is turned by an angle, which for the first half of the pairs follows from the column and for the second from the row.
 * @returns Cosines and sines of each channel's pair, flat [side^2, channels] each.
 */
export function rotaryPositions(side: number, channels: number): { cos: Float32Array; sin: Float32Array } {
  const pairs = channels / 2;
  const cos = new Float32Array(side * side * channels);
  const sin = new Float32Array(side * side * channels);
  for (let i = 0; i < side * side; i++) {
    for (let c = 0; c < channels; c++) {
      const pair = c >> 1;
      const k = pair % (pairs / 2);
      const position = pair < pairs / 2 ? i % side : Math.floor(i / side);
      const angle = position * 10000 ** ((-4 * k) / channels);
      cos[i * channels + c] = Math.cos(angle);
      sin[i * channels + c] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
