// Attention of many queries over a handful of keys, for adapters whose subgroups are cheap: a lane holds a key and its value
// (or CHUNKS of them) in registers, from which the subgroup reads them by shuffles, and owns a query of each group of SG.
enable subgroups;

struct Params {
  scale: f32,
  queries: u32,
  keys: u32,
  groups: u32,          // groups of queries that a subgroup takes one after the other
#include "operands"
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(${SG})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head4 = workgroup.y * ${HEAD4}u;
  let query_base = workgroup.z * params.query_batch4 + params.query_offset4 + head4;
#unroll c 0 CHUNKS
  let held$c = min(${c * SG}u + lane, params.keys - 1u);
  let key_at$c = workgroup.z * params.key_batch4 + held$c * params.key_stride4 + params.key_offset4 + head4;
  let value_at$c = workgroup.z * params.value_batch4 + held$c * params.value_stride4 + params.value_offset4 + head4;
#unroll d 0 HEAD4
  let key${c}_$d = key[key_at$c + ${d}u];
  let value${c}_$d = value[value_at$c + ${d}u];
#endunroll
#endunroll
  let end = min((workgroup.x + 1u) * params.groups * ${SG}u, params.queries);
  for (var first = workgroup.x * params.groups * ${SG}u; first < end; first += ${SG}u) {
    // Lanes beyond the last query work on a copy of it and store nothing: every lane must take part in the shuffles.
    let row = min(first + lane, params.queries - 1u);
    let query_at = query_base + row * params.query_stride4;
#unroll d 0 HEAD4
    let q$d = query[query_at + ${d}u] * params.scale;
    var o$d = vec4f();
#endunroll
    var highest = -1e30;
    var total = 0.0;
#unroll c 0 CHUNKS
    for (var i = 0u; i < min(${SG}u, params.keys - ${c * SG}u); i++) {
      var products = vec4f();
#unroll d 0 HEAD4
      products += q$d * subgroupShuffle(key${c}_$d, i);
#endunroll
      let score = dot(products, vec4f(1.0));
      let peak = max(highest, score);
      let fade = exp(highest - peak);
      let share = exp(score - peak);
      highest = peak;
      total = total * fade + share;
#unroll d 0 HEAD4
      o$d = o$d * fade + share * subgroupShuffle(value${c}_$d, i);
#endunroll
    }
#endunroll
    if (first + lane < params.queries) {
      let out_base = ((workgroup.z * params.queries + row) * workgroups.y + workgroup.y) * ${HEAD4}u;
#unroll d 0 HEAD4
      out[out_base + ${d}u] = o$d / total;
#endunroll
    }
  }
}
