// Matrix product for adapters whose subgroups are cheap and whose shared memory is not (software rasterisers):
// a lane owns 4 output columns, a subgroup owns ROWS output rows. Each lane loads one row of A (or one input pixel of a
// convolution) as a vec4 and the subgroup reads it by shuffles: no workgroup memory, no barriers, 5 loads for 128 FMAs.
enable subgroups;

#include "vector-operands"
#include "activation"
#include "vector-epilogue"

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
        let b0 = load_b(b_index);
        let b1 = load_b(b_index + params.b_stride4);
        let b2 = load_b(b_index + 2u * params.b_stride4);
        let b3 = load_b(b_index + 3u * params.b_stride4);
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
#unroll r 0 ROWS
  store(workgroup.z, row0 + ${r}u, column, acc$r);
#endunroll
}
