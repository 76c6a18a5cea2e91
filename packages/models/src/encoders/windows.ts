/**
 * Square windows of an image of tokens, which is completed at the right and at the bottom to whole windows.
 *
 * @param grid side of the image in tokens.
 * @param window side of a window.
 * @returns `into`: the token of each place in the windows, windows row by row and the tokens in each of them row by row,
 *   -1 for none. `back`: the place of each token.
 */
export function windowRows(grid: number, window: number): { into: Int32Array; back: Int32Array } {
  const across = Math.ceil(grid / window);
  const into = new Int32Array((across * window) ** 2).fill(-1);
  const back = new Int32Array(grid * grid);
  for (let y = 0; y < grid; y++) {
    for (let x = 0; x < grid; x++) {
      const index = Math.floor(y / window) * across + Math.floor(x / window);
      const place = (index * window + (y % window)) * window + (x % window);
      into[place] = y * grid + x;
      back[y * grid + x] = place;
    }
  }
  return { into, back };
}
