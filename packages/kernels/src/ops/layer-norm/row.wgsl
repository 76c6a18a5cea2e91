// Layer normalisation for adapters where barriers cost more than loads (software rasterisers): an invocation owns a row.
struct Params {
  rows: u32,      // tokens * groups
  c4: u32,        // channels of a group / 4
  groups: u32,
  eps: f32,
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read> weight: array<vec4f>;
@group(0) @binding(auto) var<storage, read> bias: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

#include "activation"

@compute @workgroup_size(32)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let row = invocation.y * workgroups.x * 32u + invocation.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.c4;
  let affine = row % params.groups * params.c4;
  let count = f32(params.c4 * 4u);
  var sum = vec4f();
  for (var c = 0u; c < params.c4; c++) {
    sum += x[base + c];
  }
  let rough = dot(sum, vec4f(1.0)) / count;
  // The rough mean is rounded to its own magnitude; what it is off by shows in the sum of the differences from it.
  var squares = vec4f();
  sum = vec4f();
  for (var c = 0u; c < params.c4; c++) {
    let d = x[base + c] - rough;
    sum += d;
    squares += d * d;
  }
  let rest = dot(sum, vec4f(1.0)) / count;
  let scale = inverseSqrt(dot(squares, vec4f(1.0)) / count - rest * rest + params.eps);
  for (var c = 0u; c < params.c4; c++) {
    out[base + c] = activate((x[base + c] - rough - rest) * scale * weight[affine + c] + bias[affine + c]);
  }
}
