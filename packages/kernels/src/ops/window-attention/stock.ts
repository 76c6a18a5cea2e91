import {
  add,
  concat,
  gather,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
  type Tensor,
  type Tensor3D,
  tensor,
  tensor1d,
  tidy,
  tile,
  transpose,
} from '@tensorflow/tfjs-core';
import type { WindowAttentionShape } from './index.js';

/** Moves an image cyclically up and left (negative: down and right). */
function roll(x: Tensor, by: number): Tensor {
  if (by === 0) return x;
  return [0, 1].reduce((image, axis) => {
    const length = image.shape[axis]!;
    const cut = (by + length) % length;
    const begin = [0, 0, 0];
    const size = [-1, -1, -1];
    begin[axis] = cut;
    const tail = slice(image, begin, size);
    size[axis] = cut;
    return concat([tail, slice(image, [0, 0, 0], size)], axis);
  }, x);
}

/** -100 between tokens of different regions of the shifted grid, [windows, 1, window^2, window^2]. */
function regionMask(rows: number, columns: number, window: number, shift: number): Tensor {
  const part = (position: number, length: number) =>
    position < length - window ? 0 : position < length - shift ? 1 : 2;
  const tokens = window * window;
  const windows = (rows * columns) / tokens;
  const values = new Float32Array(windows * tokens * tokens);
  for (let w = 0; w < windows; w++) {
    const top = Math.floor(w / (columns / window)) * window;
    const left = (w % (columns / window)) * window;
    const region = (token: number) =>
      3 * part(top + Math.floor(token / window), rows) + part(left + (token % window), columns);
    for (let i = 0; i < tokens * tokens; i++) {
      if (region(Math.floor(i / tokens)) !== region(i % tokens)) values[w * tokens * tokens + i] = -100;
    }
  }
  return tensor(values, [windows, 1, tokens, tokens]);
}

/** The unfused twin of `windowAttention`, from stock tfjs operations. */
export function stockWindowAttention(
  qkv: Tensor,
  qkvBias: Tensor,
  biasTable: Tensor,
  { height, width, window, shift, heads }: WindowAttentionShape,
): Tensor {
  return tidy(() => {
    const channels = qkv.shape[1]! / 3;
    const headSize = channels / heads;
    const rows = Math.ceil(height / window) * window;
    const columns = Math.ceil(width / window) * window;
    const tokens = window * window;
    const windows = (rows * columns) / tokens;
    const padding = (h: number, w: number) => tile(reshape(qkvBias, [1, 1, 3 * channels]), [h, w, 1]);
    let image: Tensor = reshape(qkv, [height, width, 3 * channels]);
    if (columns > width) image = concat([image, padding(height, columns - width)], 1);
    if (rows > height) image = concat([image, padding(rows - height, columns)], 0);
    image = roll(image, shift);

    // [rows / w, w, columns / w, w * 3C] -> [windows, w * w, 3C]
    const grouped = reshape(image, [rows / window, window, columns / window, window * 3 * channels]);
    const cut = reshape(transpose(grouped, [0, 2, 1, 3]), [windows * tokens, 3 * channels]);
    const part = (index: number) =>
      transpose(
        reshape(slice(cut, [0, index * channels], [-1, channels]), [windows, tokens, heads, headSize]),
        [0, 2, 1, 3],
      );
    const scores = matMul(mul(part(0), 1 / Math.sqrt(headSize)), part(1), false, true);
    const index = new Int32Array(tokens * tokens);
    for (let i = 0; i < index.length; i++) {
      const [query, key] = [Math.floor(i / tokens), i % tokens];
      const dy = Math.floor(query / window) - Math.floor(key / window);
      const dx = (query % window) - (key % window);
      index[i] = (dy + window - 1) * (2 * window - 1) + dx + window - 1;
    }
    const table = reshape(biasTable, [(2 * window - 1) ** 2, heads]);
    const bias = reshape(transpose(gather(table, tensor1d(index, 'int32')), [1, 0]), [1, heads, tokens, tokens]);
    let logits = add(scores, bias);
    if (shift > 0) logits = add(logits, regionMask(rows, columns, window, shift));
    const mixed = matMul(softmax(logits), part(2));

    const tokensOut = reshape(transpose(mixed, [0, 2, 1, 3]), [
      rows / window,
      columns / window,
      window,
      window * channels,
    ]);
    const restored = roll(reshape(transpose(tokensOut, [0, 2, 1, 3]), [rows, columns, channels]), -shift);
    return reshape(slice(restored as Tensor3D, [0, 0, 0], [height, width, channels]), [height * width, channels]);
  });
}
