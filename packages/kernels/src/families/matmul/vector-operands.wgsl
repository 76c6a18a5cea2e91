// Parameters and bindings of the matrix products that read vectors of 4: every length and offset below that ends in 4 is
// counted in such vectors.
struct Params {
  m: u32,             // output rows
  n4: u32,            // output columns
  k4: u32,            // inner length (input channels of a convolution)
  b_stride4: u32,     // row length of B
  a_stride4: u32,     // row length of the tensor that A is a column range of
  a_offset4: u32,
  out_stride4: u32,
  out_offset4: u32,
  out_row0: u32,      // first row of the target; gate and residual are indexed like the target
  alpha: f32,
  a_batch4: u32,      // distance between batches
  b_batch4: u32,
  out_batch4: u32,
#include "conv-geometry"
}

#include "bindings"

#if B_HALF
fn load_b(index: u32) -> vec4f {
  let halves = b[index];
  return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
#else
fn load_b(index: u32) -> vec4f { return b[index]; }
#endif
