import type { Rle } from './rle.js';

/**
 * Run lengths of a mask of bits, column by column: bit `y % 32` of word `y / 32` of a column is row y, as `maskBits` of the
 * kernels writes them. Whole words of one colour are passed over at once.
 */
export function bitsToRle(bits: Int32Array, width: number, height: number): Rle {
  const words = Math.ceil(height / 32);
  const counts: number[] = [];
  let run = 0;
  let colour = 0;
  for (let x = 0; x < width; x++) {
    for (let word = 0; word < words; word++) {
      const value = bits[x * words + word]!;
      const rows = Math.min(32, height - word * 32);
      let row = 0;
      while (row < rows) {
        // Bits that differ from the present colour, from this row on.
        const changes = (colour ? ~value : value) & (-1 << row);
        const next = changes === 0 ? rows : Math.min(rows, 31 - Math.clz32(changes & -changes));
        run += next - row;
        row = next;
        if (row < rows) {
          counts.push(run);
          run = 0;
          colour ^= 1;
        }
      }
    }
  }
  counts.push(run);
  return { size: [height, width], counts };
}
