// Attention with a running softmax: an invocation owns a query of one head and walks over the keys. No subgroups, no
// workgroup memory; every invocation of a workgroup loads the same key at the same time.
#include "params"

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
#if RELATIVE
@group(0) @binding(auto) var<storage, read> relative: array<f32>;
#endif
#if MASK
@group(0) @binding(auto) var<storage, read> mask: array<f32>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let row = id.x;
  let head4 = id.y * ${HEAD4}u;
  let batch = id.z;
  if (row >= params.queries) {
    return;
  }
  let query_base = batch * params.query_batch4 + row * params.query_stride4 + params.query_offset4 + head4;
#unroll d 0 HEAD4
  let q$d = query[query_base + ${d}u] * params.scale;
  var o$d = vec4f();
#endunroll
  var highest = -1e30;
  var total = 0.0;
  var key_at = batch * params.key_batch4 + params.key_offset4 + head4;
  var value_at = batch * params.value_batch4 + params.value_offset4 + head4;
#if RELATIVE
  let relative_base = ((batch * params.queries + row) * workgroups.y + id.y) * params.relative_stride;
  var x = 0u;
  var y = 0u;
#endif
  for (var k = 0u; k < params.grid_height * params.grid_width; k++) {
    var products = vec4f();
#unroll d 0 HEAD4
    products += q$d * key[key_at + ${d}u];
#endunroll
    var score = dot(products, vec4f(1.0));
#if RELATIVE
    score += relative[relative_base + y] + relative[relative_base + params.relative_columns + x];
    x++;
    if (x == params.grid_width) {
      x = 0u;
      y++;
    }
#endif
#if MASK
    score = max(score + mask[row * params.mask_stride + k], -1e30);
#endif
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
  let out_base = ((batch * params.queries + row) * workgroups.y + id.y) * ${HEAD4}u;
#unroll d 0 HEAD4
  out[out_base + ${d}u] = o$d / total;
#endunroll
}
