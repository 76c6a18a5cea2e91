// Attention of a handful of queries over many keys, for GPUs: an invocation takes a query and a part of the keys, so that there
// is enough to do for a whole machine, and leaves its running softmax to be merged: the result not yet divided, the highest
// score and the sum of the weights.
struct Params {
  scale: f32,
  queries: u32,
  keys: u32,
  parts: u32,
  part_keys: u32,       // keys of a part
#include "operands"
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  // Neighbours share keys as long as there are queries.
  let row = id.x % params.queries;
  let part = id.x / params.queries;
  if (part >= params.parts) {
    return;
  }
  let head4 = id.y * ${HEAD4}u;
  let query_at = id.z * params.query_batch4 + row * params.query_stride4 + params.query_offset4 + head4;
#unroll d 0 HEAD4
  let q$d = query[query_at + ${d}u] * params.scale;
  var o$d = vec4f();
#endunroll
  var highest = -1e30;
  var total = 0.0;
  let first = part * params.part_keys;
  var key_at = id.z * params.key_batch4 + first * params.key_stride4 + params.key_offset4 + head4;
  var value_at = id.z * params.value_batch4 + first * params.value_stride4 + params.value_offset4 + head4;
  for (var k = first; k < min(first + params.part_keys, params.keys); k++) {
    var products = vec4f();
#unroll d 0 HEAD4
    products += q$d * key[key_at + ${d}u];
#endunroll
    let score = dot(products, vec4f(1.0));
    let peak = max(highest, score);
    let fade = exp(highest - peak);
    let share = exp(score - peak);
    highest = peak;
    total = total * fade + share;
#unroll d 0 HEAD4
    o$d = o$d * fade + share * value[value_at + ${d}u];
#endunroll
    key_at += params.key_stride4;
    value_at += params.value_stride4;
  }
  let at = (((id.z * workgroups.y + id.y) * params.queries + row) * params.parts + part) * ${HEAD4 + 1}u;
#unroll d 0 HEAD4
  out[at + ${d}u] = o$d;
#endunroll
  out[at + ${HEAD4}u] = vec4f(highest, total, 0.0, 0.0);
}
