// Last pass of group normalisation: an invocation normalises 4 channels of ${POSITIONS} positions, so that what belongs to the
// channels is loaded once.
struct Params {
  positions: u32,
  c4: u32,          // channels / 4
  group4: u32,      // channels of a group / 4
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(auto) var<storage, read> weight: array<vec4f>;
@group(0) @binding(auto) var<storage, read> bias: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

#include "activation"

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let id = invocation.y * workgroups.x * 64u + invocation.x;
  let channel = id % params.c4;
  let first = id / params.c4 * ${POSITIONS}u;
  let last = min(first + ${POSITIONS}u, params.positions);
  let group = statistics[channel / params.group4];
  let scale = group.y * weight[channel];
  let shift = bias[channel];
  for (var p = first; p < last; p++) {
    out[p * params.c4 + channel] = activate((x[p * params.c4 + channel] - group.x) * scale + shift);
  }
}
