// Shifted-window attention without barriers: a workgroup takes a block of queries of one window and head, an invocation owns
// a query and walks over the window's keys with a running softmax.
//
// The padded and shifted image exists only as index arithmetic: position (y, x) of the window grid is the token
// ((y + shift) mod grid_height, (x + shift) mod grid_width), or, outside the image, one whose query, key and value are
// the bias of the projection. Such keys differ in nothing but their position, so their product with the query is
// computed once and their values are added once, by the sum of their weights.
#if SG
enable subgroups;
#endif

struct Params {
  height: u32,
  width: u32,
  windows_x: u32,
  grid_height: u32,     // height and width rounded up to whole windows
  grid_width: u32,
  window: u32,
  shift: u32,
  c4: u32,              // channels / 4
  scale: f32,
#if RELATIVE
  relative_stride: u32,   // terms of one query and head: rows, then columns
  relative_columns: u32,
#endif
}

@group(0) @binding(auto) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(auto) var<storage, read> qkv_bias: array<vec4f>;
// Position terms: of RELATIVE those of each query and head, otherwise one for each distance and head.
@group(0) @binding(auto) var<storage, read> positions: array<f32>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

const MASKED = -100.0;

// Which of three bands along an axis a position of the shifted grid came from; 0 in unshifted windows.
fn band(position: u32, grid: u32) -> u32 {
  return select(0u, 1u, params.shift > 0u && position >= grid - params.window) +
    select(0u, 1u, params.shift > 0u && position >= grid - params.shift);
}

// The position in the image, or one outside it.
fn unshifted(position: u32, grid: u32) -> u32 {
  let moved = position + params.shift;
  return select(moved, moved - grid, moved >= grid);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
#if SG
  @builtin(subgroup_invocation_id) lane: u32,
#endif
) {
  let window = params.window;
  let tokens = window * window;
  let head4 = workgroup.y * ${HEAD4}u;
  let row4 = 3u * params.c4;
  let top = workgroup.x / params.windows_x * window;
  let left = workgroup.x % params.windows_x * window;
  let query = workgroup.z * 64u + local;
  let qy = min(query / window, window - 1u);
  let qx = query % window;
  let y = unshifted(top + qy, params.grid_height);
  let x = unshifted(left + qx, params.grid_width);
  // Every invocation takes part to the end: the subgroup's keys are loaded by all of it.
  let wanted = query < tokens && y < params.height && x < params.width;
  let token = select(0u, y * params.width + x, wanted);
  let query_region = 3u * band(top + qy, params.grid_height) + band(left + qx, params.grid_width);
#if RELATIVE
  let terms = (token * workgroups.y + workgroup.y) * params.relative_stride;
#else
  let table_width = 2u * window - 1u;
  let table_query = (qy + window - 1u) * table_width + qx + window - 1u;
#endif
  var outside = vec4f();
#unroll d 0 HEAD4
  let q$d = qkv[token * row4 + ${d}u + head4] * params.scale;
  outside += q$d * qkv_bias[params.c4 + head4 + ${d}u];
  var o$d = vec4f();
#endunroll
  let outside_score = dot(outside, vec4f(1.0));
  var outside_share = 0.0;
  var highest = -1e30;
  var total = 0.0;
  for (var first = 0u; first < tokens; first += ${KEYS}u) {
#if SG
    let key = min(first + lane, tokens - 1u);
#else
    let key = first;
#endif
    let ky = key / window;
    let kx = key - ky * window;
    let key_y = unshifted(top + ky, params.grid_height);
    let key_x = unshifted(left + kx, params.grid_width);
    let inside = key_y < params.height && key_x < params.width;
    let key_base = select(0u, key_y * params.width + key_x, inside) * row4 + params.c4 + head4;
#if !RELATIVE
    let place = ky * table_width + kx;
#endif
    let region = (3u * band(top + ky, params.grid_height) + band(left + kx, params.grid_width)) * 2u + select(0u, 1u, inside);
#unroll d 0 HEAD4
    let key$d = qkv[key_base + ${d}u];
    let value$d = qkv[key_base + params.c4 + ${d}u];
#endunroll
#if SG
    for (var i = 0u; i < min(${KEYS}u, tokens - first); i++) {
#unroll d 0 HEAD4
      let k$d = subgroupShuffle(key$d, i);
      let v$d = subgroupShuffle(value$d, i);
#endunroll
      let position = positions[(table_query - subgroupShuffle(place, i)) * workgroups.y + workgroup.y];
      let code = subgroupShuffle(region, i);
#else
    {
#unroll d 0 HEAD4
      let k$d = key$d;
      let v$d = value$d;
#endunroll
      let code = region;
#if RELATIVE
      let position = positions[terms + ky] + positions[terms + params.relative_columns + kx];
#else
      let position = positions[(table_query - place) * workgroups.y + workgroup.y];
#endif
#endif
      var products = vec4f();
#unroll d 0 HEAD4
      products += q$d * k$d;
#endunroll
      let real = code % 2u == 1u;
      let score = select(outside_score, dot(products, vec4f(1.0)), real) +
        position + select(MASKED, 0.0, code / 2u == query_region);
      let peak = max(highest, score);
      let fade = exp(highest - peak);
      let share = exp(score - peak);
      highest = peak;
      total = total * fade + share;
      outside_share = outside_share * fade + select(share, 0.0, real);
      let inside_share = select(0.0, share, real);
#unroll d 0 HEAD4
      o$d = o$d * fade + inside_share * v$d;
#endunroll
    }
  }
  if (wanted) {
    let out_base = token * params.c4 + head4;
#unroll d 0 HEAD4
    out[out_base + ${d}u] = (o$d + outside_share * qkv_bias[2u * params.c4 + head4 + ${d}u]) / total;
#endunroll
  }
}
