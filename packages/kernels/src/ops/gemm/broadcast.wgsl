// Matrix product for adapters whose subgroups are cheap and whose shared memory is not (software rasterisers):
// a lane owns 4 output columns, a subgroup owns ROWS output rows. Each lane loads one row of A (or one input pixel of a
// convolution) as a vec4 and the subgroup reads it by shuffles: no workgroup memory, no barriers, 5 loads for 128 FMAs.
enable subgroups;

struct Params {
  m: u32,             // output rows
  n4: u32,            // output columns / 4
  k4: u32,            // inner length / 4 (input channels / 4 of a convolution)
  b_stride4: u32,     // row length of B / 4
  a_stride4: u32,     // row length of the tensor that A is a column range of, / 4
  a_offset4: u32,
  out_stride4: u32,
  out_offset4: u32,
  out_row0: u32,      // first row of the target; gate and residual are indexed like the target
  alpha: f32,
  a_batch4: u32,      // distance between batches, / 4
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
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
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

#include "activation"

@compute @workgroup_size(${SG * SUBGROUPS})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
  @builtin(local_invocation_index) local: u32,
) {
  let row0 = (workgroup.x * ${SUBGROUPS}u + local / ${SG}u) * ${ROWS}u;
  let column = workgroup.y * ${SG}u + lane;
  // Lanes beyond the last column work on a copy of it and store nothing: every lane must take part in the shuffles.
  let load_column = min(column, params.n4 - 1u);
  let b_base = workgroup.z * params.b_batch4 + load_column;
#unroll r 0 ROWS
  var acc$r = vec4f();
#endunroll
#unroll j 0 LOADS
  let load_row$j = min(row0 + ${j * SG}u + lane, params.m - 1u);
#endunroll
#if CONV
  let image = workgroup.z * params.a_batch4;
#unroll j 0 LOADS
  let y$j = i32((load_row$j / params.out_width) * params.stride) - i32(params.pad_top);
  let x$j = i32((load_row$j % params.out_width) * params.stride) - i32(params.pad_left);
#endunroll
  var b_row = 0u;
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    for (var kx = 0u; kx < params.kernel_width; kx++) {
#unroll j 0 LOADS
      let py$j = y$j + i32(ky * params.dilation);
      let px$j = x$j + i32(kx * params.dilation);
      let inside$j = py$j >= 0 && py$j < i32(params.in_height) && px$j >= 0 && px$j < i32(params.in_width);
      let pixel$j = select(0u, u32(py$j) * params.in_width + u32(px$j), inside$j);
      let a_base$j = image + pixel$j * params.a_stride4 + params.a_offset4;
      let keep$j = select(0.0, 1.0, inside$j);
#endunroll
#else
  {
    {
      var b_row = 0u;
#unroll j 0 LOADS
      let a_base$j = workgroup.z * params.a_batch4 + load_row$j * params.a_stride4 + params.a_offset4;
#endunroll
#endif
      for (var k = 0u; k < params.k4; k++) {
#unroll j 0 LOADS
#if CONV
        let av$j = a[a_base$j + k] * keep$j;
#else
        let av$j = a[a_base$j + k];
#endif
#endunroll
        let b_index = b_base + b_row * params.b_stride4;
        let b0 = b[b_index];
        let b1 = b[b_index + params.b_stride4];
        let b2 = b[b_index + 2u * params.b_stride4];
        let b3 = b[b_index + 3u * params.b_stride4];
        b_row += 4u;
#unroll r 0 ROWS
        let s$r = subgroupShuffle(av${r / SG}, ${r % SG}u);
        acc$r += s$r.x * b0 + s$r.y * b1 + s$r.z * b2 + s$r.w * b3;
#endunroll
      }
    }
  }
  if (column >= params.n4) {
    return;
  }
  let out_base = workgroup.z * params.out_batch4;
#if BIAS
  let shift = bias[column];
#endif
#unroll r 0 ROWS
  if (row0 + ${r}u < params.m) {
    var value = acc$r * params.alpha;
#if BIAS
    value += shift;
#endif
    value = activate(value);
#if GATE
    value *= gate[out_base + (params.out_row0 + row0 + ${r}u) * params.n4 + column];
#endif
#if RESIDUAL
    value += residual[out_base + (params.out_row0 + row0 + ${r}u) * params.n4 + column];
#endif
#if FINAL_RELU
    value = max(value, vec4f());
#endif
    out[out_base + (params.out_row0 + row0 + ${r}u) * params.out_stride4 + params.out_offset4 + column] = value;
  }
#endunroll
}
