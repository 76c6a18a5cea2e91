// Merges what the parts of the keys made of a query and head; an invocation owns four channels.
struct Params {
  count: u32,           // batches * heads * queries * head size / 4
  queries: u32,
  heads: u32,
  head4: u32,           // head size / 4
  parts: u32,
}

@group(0) @binding(auto) var<storage, read> partial: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.count) {
    return;
  }
  let d = id.x % params.head4;
  let row = id.x / params.head4 % params.queries;
  let head = id.x / params.head4 / params.queries % params.heads;
  let batch = id.x / params.head4 / params.queries / params.heads;
  let stride = params.head4 + 1u;
  let base = ((batch * params.heads + head) * params.queries + row) * params.parts * stride;
  var highest = -1e30;
  for (var part = 0u; part < params.parts; part++) {
    highest = max(highest, partial[base + part * stride + params.head4].x);
  }
  var sum = vec4f();
  var total = 0.0;
  for (var part = 0u; part < params.parts; part++) {
    let state = partial[base + part * stride + params.head4];
    let weight = exp(state.x - highest);
    total += weight * state.y;
    sum += weight * partial[base + part * stride + d];
  }
  out[((batch * params.queries + row) * params.heads + head) * params.head4 + d] = sum / total;
}
