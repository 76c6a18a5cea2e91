// Parameters, bindings and operand access of the matrix products that read single floats: any shape, checked bounds.
struct Params {
  m: u32,
  n: u32,
  k: u32,             // inner length (kernel_height * kernel_width * channels of a convolution)
  b_stride: u32,
  a_stride: u32,
  a_offset: u32,
  out_stride: u32,
  out_offset: u32,
  out_row0: u32,      // first row of the target; gate and residual are indexed like the target
  alpha: f32,
  a_batch: u32,
  b_batch: u32,
  out_batch: u32,
#include "conv-geometry"
}

#include "bindings"

fn load_a(batch: u32, row: u32, k: u32) -> f32 {
  if (row >= params.m || k >= params.k) {
    return 0.0;
  }
#if CONV
  let channels = params.k / (params.kernel_height * params.kernel_width);
  let tap = k / channels;
  let y = i32((row / params.out_width) * params.stride + (tap / params.kernel_width) * params.dilation) - i32(params.pad_top);
  let x = i32((row % params.out_width) * params.stride + (tap % params.kernel_width) * params.dilation) - i32(params.pad_left);
  if (y < 0 || y >= i32(params.in_height) || x < 0 || x >= i32(params.in_width)) {
    return 0.0;
  }
  return a[batch * params.a_batch + (u32(y) * params.in_width + u32(x)) * params.a_stride + params.a_offset + k % channels];
#else
  return a[batch * params.a_batch + row * params.a_stride + params.a_offset + k];
#endif
}

fn load_b(batch: u32, k: u32, column: u32) -> f32 {
  if (k >= params.k || column >= params.n) {
    return 0.0;
  }
  let index = batch * params.b_batch + k * params.b_stride + column;
#if B_HALF
  return unpack2x16float(b[index / 2u])[index % 2u];
#else
  return b[index];
#endif
}
