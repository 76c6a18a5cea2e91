// Adds up the parts of a matrix product whose inner dimension was split, and does what follows the product. An invocation
// owns four neighbouring columns of a row.
struct Params {
  m: u32,             // output rows
  n4: u32,            // output columns / 4
  parts: u32,
  out_stride4: u32,
  out_offset4: u32,
  out_row0: u32,      // first row of the target; gate and residual are indexed like the target
  alpha: f32,
  out_batch4: u32,    // distance between batches
}

@group(0) @binding(auto) var<storage, read> partial: array<vec4f>;
#include "epilogue-bindings"

#include "activation"
#include "vector-epilogue"

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  let size = params.m * params.n4;
  if (index >= size) {
    return;
  }
  let batch = workgroup.z;
  var sum = vec4f();
  for (var part = 0u; part < params.parts; part++) {
    sum += partial[(batch * params.parts + part) * size + index];
  }
  store(batch, index / params.n4, index % params.n4, sum);
}
