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
#if CONV
  in_height: u32,
  in_width: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  dilation: u32,
  pad_top: u32,
  pad_left: u32,
#endif
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
#if B_HALF
@group(0) @binding(1) var<storage, read> b: array<vec2u>;
fn load_b(index: u32) -> vec4f {
  let halves = b[index];
  return vec4f(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
#else
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
fn load_b(index: u32) -> vec4f { return b[index]; }
#endif
#if BIAS
@group(0) @binding(${BIAS_BINDING}) var<storage, read> bias: array<vec4f>;
#endif
#if GATE
@group(0) @binding(${GATE_BINDING}) var<storage, read> gate: array<vec4f>;
#endif
#if RESIDUAL
@group(0) @binding(${RESIDUAL_BINDING}) var<storage, read> residual: array<vec4f>;
#endif
@group(0) @binding(${OUT_BINDING}) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(${PARAMS_BINDING}) var<uniform> params: Params;
