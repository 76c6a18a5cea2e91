// Layer normalisation for GPUs: a workgroup owns a row and reduces it by a tree in shared memory.
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

const LANES = 64u;
var<workgroup> partial: array<vec2f, LANES>;

fn reduce(value: vec2f, local: u32) -> vec2f {
  partial[local] = value;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) {
      partial[local] += partial[local + step];
    }
  }
  workgroupBarrier();
  let total = partial[0];
  // The next reduction may not overwrite the total before everyone has read it.
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = workgroup.y * workgroups.x + workgroup.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.c4;
  let affine = row % params.groups * params.c4;
  let count = f32(params.c4 * 4u);
  var sum = vec4f();
  for (var c = local; c < params.c4; c += LANES) {
    sum += x[base + c];
  }
  let rough = reduce(vec2f(dot(sum, vec4f(1.0)), 0.0), local).x / count;
  // The rough mean is rounded to its own magnitude; what it is off by shows in the sum of the differences from it.
  var squares = vec4f();
  sum = vec4f();
  for (var c = local; c < params.c4; c += LANES) {
    let d = x[base + c] - rough;
    sum += d;
    squares += d * d;
  }
  let moments = reduce(vec2f(dot(sum, vec4f(1.0)), dot(squares, vec4f(1.0))), local) / count;
  let rest = moments.x;
  let scale = inverseSqrt(moments.y - rest * rest + params.eps);
  for (var c = local; c < params.c4; c += LANES) {
    out[base + c] = activate((x[base + c] - rough - rest) * scale * weight[affine + c] + bias[affine + c]);
  }
}
