import {
  add,
  cast,
  conv2d,
  gather,
  greater,
  less,
  logicalAnd,
  oneHot,
  pad,
  reshape,
  sub,
  type Tensor,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tensor1d,
  tidy,
  where,
  zerosLike,
} from '@tensorflow/tfjs-core';
import type { IdBank, IdEmbeddingGeometry } from './index.js';

/** The unfused twin of `idEmbedding`: nearest resize, one-hot, convolution. */
export function stockIdEmbedding(labels: Tensor, bank: IdBank, geometry: IdEmbeddingGeometry): Tensor {
  const { height, width, stride, padding, firstId = 1 } = geometry;
  return tidy(() => {
    const [labelHeight, labelWidth] = labels.shape as [number, number];
    const nearest = (count: number, source: number) =>
      tensor1d(
        Int32Array.from({ length: count }, (_, i) => Math.floor((i * source) / count)),
        'int32',
      );
    const resized = gather(gather(labels as Tensor2D, nearest(height, labelHeight), 0), nearest(width, labelWidth), 1);
    const [, , classes, channels] = bank.kernel.shape as [number, number, number, number];
    const local = sub(resized, firstId - 1);
    const known = logicalAnd(greater(local, 0), less(local, classes));
    const map = cast(oneHot(cast(where(known, local, zerosLike(local)), 'int32'), classes), 'float32') as Tensor3D;
    const padded = pad(map, [
      [padding, padding],
      [padding, padding],
      [0, 0],
    ]);
    const out = conv2d(padded, bank.kernel as Tensor4D, stride, 'valid');
    return reshape(add(out, bank.bias), [-1, channels]);
  });
}
