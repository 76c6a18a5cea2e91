// Decomposed relative position terms: the products of each query with the vectors of a table, rows first, then columns. The
// query at y and the key at k meet at y - k + side - 1 of the table of an axis, with y counted within a window where
// there are windows. An invocation computes 4 keys of one query, head and axis.
struct Params {
  height: u32,            // the image of tokens
  width: u32,
  side_y: u32,            // of a window, or of the image
  side_x: u32,
  heads: u32,
  head4: u32,             // head size / 4
  batch: u32,
  query_stride4: u32,
  query_offset4: u32,
  query_batch4: u32,
  rows4: u32,             // rows / 4, rounded up, and of rows and columns together
  terms4: u32,
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> rows: array<vec4f>;
@group(0) @binding(auto) var<storage, read> columns: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  let tokens = params.height * params.width;
  if (index >= params.batch * tokens * params.heads * params.terms4) {
    return;
  }
  let term4 = index % params.terms4;
  let head = index / params.terms4 % params.heads;
  let token = index / params.terms4 / params.heads;
  let position = token % tokens;
  let query_base = token / tokens * params.query_batch4 + position * params.query_stride4 + params.query_offset4 + head * params.head4;
  var sum = vec4f();
  if (term4 < params.rows4) {
    let first = i32(position / params.width % params.side_y + params.side_y - 1u) - i32(4u * term4);
    let at = vec4u(max(vec4i(first) - vec4i(0, 1, 2, 3), vec4i())) * params.head4;
    for (var d = 0u; d < params.head4; d++) {
      let q = query[query_base + d];
      sum += vec4f(dot(q, rows[at.x + d]), dot(q, rows[at.y + d]), dot(q, rows[at.z + d]), dot(q, rows[at.w + d]));
    }
  } else {
    let first = i32(position % params.width % params.side_x + params.side_x - 1u) - i32(4u * (term4 - params.rows4));
    let at = vec4u(max(vec4i(first) - vec4i(0, 1, 2, 3), vec4i())) * params.head4;
    for (var d = 0u; d < params.head4; d++) {
      let q = query[query_base + d];
      sum += vec4f(dot(q, columns[at.x + d]), dot(q, columns[at.y + d]), dot(q, columns[at.z + d]), dot(q, columns[at.w + d]));
    }
  }
  out[index] = sum;
}
