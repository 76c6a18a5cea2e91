// Vector `k` of row `row` of A; for a convolution the inner dimension runs over taps, then channels.
fn load_a(batch: u32, row: u32, k: u32, end: u32) -> vec4f {
  if (row >= params.m || k >= end) {
    return vec4f();
  }
#if CONV
  let tap = k / params.k4;
  let y = i32((row / params.out_width) * params.stride + (tap / params.kernel_width) * params.dilation) - i32(params.pad_top);
  let x = i32((row % params.out_width) * params.stride + (tap % params.kernel_width) * params.dilation) - i32(params.pad_left);
  if (y < 0 || y >= i32(params.in_height) || x < 0 || x >= i32(params.in_width)) {
    return vec4f();
  }
  let pixel = u32(y) * params.in_width + u32(x);
  return a[batch * params.a_batch4 + pixel * params.a_stride4 + params.a_offset4 + k % params.k4];
#else
  return a[batch * params.a_batch4 + row * params.a_stride4 + params.a_offset4 + k];
#endif
}
