// Attention as two matrix products in registers around a running softmax, for adapters whose subgroups are cheap and whose
// workgroup memory is not (software rasterisers). A subgroup owns ROWS queries of one head and takes the keys in tiles of
// 4 * SG: for the scores a lane owns 4 keys, for the result 4 channels (or more, PARTS times). Each lane loads whole rows
// of queries, which the subgroup reads by shuffles, and so it does with the weights of the tile.
//
// Keys are the positions of a grid, in tiles of SLOT_HEIGHT rows and SLOT_WIDTH columns, which go down before they go
// right: the relative terms of the columns then stay in registers. Keys without a grid are a grid of one row.
#if WINDOW
// The grid is a window of an image of tokens. Where it reaches beyond the image, keys and values are the bias of the
// projection: their product with a query is computed once and their values are added once, by the sum of their weights.
#endif
enable subgroups;

struct Params {
  // Head size / 4 and lanes of a subgroup once more: loops of a length that no compiler knows are not unrolled, which on a
  // software rasteriser is the difference between one second of compilation and a minute.
  head4: u32,
  lanes: u32,
  scale: f32,
  grid_height: u32,
  grid_width: u32,
#if RELATIVE
  relative_stride4: u32,  // terms of one query and head / 4: rows, then columns, each rounded up to 4
  relative_columns4: u32, // where the columns begin
  slot_columns4: u32,     // SLOT_WIDTH / 4
  slot_rows: u32,         // SLOT_HEIGHT
#endif
#if WINDOW
  height: u32,            // the image, in tokens
  width: u32,
  windows_x: u32,
  c4: u32,                // channels / 4
#else
  queries: u32,
#include "operands"
  mask_stride: u32,       // 0 where one row of the mask serves every query
#endif
}

#if WINDOW
@group(0) @binding(auto) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(auto) var<storage, read> qkv_bias: array<vec4f>;
#else
@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
#endif
#if MASK
@group(0) @binding(auto) var<storage, read> mask: array<f32>;
#endif
#if RELATIVE
@group(0) @binding(auto) var<storage, read> relative: array<vec4f>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

#if WINDOW
fn load_query(index: u32) -> vec4f { return qkv[index]; }
fn load_key(index: u32) -> vec4f { return qkv[index]; }
fn load_value(index: u32) -> vec4f { return qkv[index]; }
#else
fn load_query(index: u32) -> vec4f { return query[index]; }
fn load_key(index: u32) -> vec4f { return key[index]; }
fn load_value(index: u32) -> vec4f { return value[index]; }
#endif

// Reductions by shuffles: a software rasteriser turns the built-in ones into loops over lanes.
fn subgroup_max(x: f32, lane: u32) -> f32 {
  var result = x;
#unroll i 0 LOG_SG
  result = max(result, subgroupShuffle(result, lane ^ (1u << ${i}u)));
#endunroll
  return result;
}

fn subgroup_sum(x: f32, lane: u32) -> f32 {
  var result = x;
#unroll i 0 LOG_SG
  result += subgroupShuffle(result, lane ^ (1u << ${i}u));
#endunroll
  return result;
}

@compute @workgroup_size(${SG})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let head4 = workgroup.y * ${HEAD4}u;
  let lane_x = 4u * lane % ${SLOT_WIDTH}u;
  let lane_y = 4u * lane / ${SLOT_WIDTH}u;
#if WINDOW
  let top = workgroup.x / params.windows_x * params.grid_height;
  let left = workgroup.x % params.windows_x * params.grid_width;
  // The part of the window that lies within the image.
  let real_height = min(params.grid_height, params.height - top);
  let real_width = min(params.grid_width, params.width - left);
  let queries = real_height * real_width;
  let first_row = workgroup.z * ${ROWS}u;
  if (first_row >= queries) {
    return;
  }
  let stride4 = 3u * params.c4;
  let value_offset4 = 2u * params.c4 + head4;
#unroll j 0 LOADS
  let row$j = min(first_row + ${j * SG}u + lane, queries - 1u);
  let token$j = (top + row$j / real_width) * params.width + left + row$j % real_width;
  let query_base$j = token$j * stride4 + head4;
#endunroll
#else
  let real_height = params.grid_height;
  let real_width = params.grid_width;
  let first_row = workgroup.x * ${ROWS}u;
  let queries = params.queries;
  let key_base = workgroup.z * params.key_batch4 + params.key_offset4 + head4;
  let value_base = workgroup.z * params.value_batch4 + params.value_offset4 + head4;
#unroll j 0 LOADS
  let row$j = min(first_row + ${j * SG}u + lane, queries - 1u);
  let token$j = workgroup.z * queries + row$j;
  let query_base$j = workgroup.z * params.query_batch4 + row$j * params.query_stride4 + params.query_offset4 + head4;
#endunroll
#endif

#if RELATIVE
#unroll j 0 LOADS
  let relative_base$j = (token$j * workgroups.y + workgroup.y) * params.relative_stride4;
#endunroll
#endif
#if WINDOW
#unroll j 0 LOADS
  var outside_scores$j = 0.0;
#endunroll
  for (var d = 0u; d < params.head4; d++) {
    let bias = qkv_bias[params.c4 + head4 + d];
#unroll j 0 LOADS
    outside_scores$j += dot(load_query(query_base$j + d), bias);
#endunroll
  }
#endif
#unroll r 0 ROWS
  var highest$r = -1e30;
  var total$r = 0.0;
#if WINDOW
  var outside$r = 0.0;
#endif
#unroll part 0 PARTS
  var o${r}_$part = vec4f();
#endunroll
#endunroll
  // Lanes beyond the last channel work on a copy of it and store nothing: every lane must take part in the shuffles.
#unroll part 0 PARTS
  let channel$part = min(${part * SG}u + lane, ${HEAD4 - 1}u);
#endunroll

  for (var x0 = 0u; x0 < params.grid_width; x0 += ${SLOT_WIDTH}u) {
    let key_x = vec4u(x0 + lane_x) + vec4u(0u, 1u, 2u, 3u);
    let column = min(key_x, vec4u(real_width - 1u));
#if RELATIVE
#unroll r 0 ROWS
    var relative_x$r = vec4f();
#endunroll
    for (var i = 0u; i < params.slot_columns4; i++) {
      let at = params.relative_columns4 + min(x0 / 4u + i, params.relative_stride4 - params.relative_columns4 - 1u);
#unroll j 0 LOADS
      let terms$j = relative[relative_base$j + at];
#endunroll
#unroll r 0 ROWS
      relative_x$r = select(relative_x$r, subgroupShuffle(terms${r / SG}, ${r % SG}u), lane_x == 4u * i);
#endunroll
    }
#endif
    for (var y0 = 0u; y0 < params.grid_height; y0 += ${SLOT_HEIGHT}u) {
      let key_y = y0 + lane_y;
      let exists = key_x < vec4u(select(0u, params.grid_width, key_y < params.grid_height));
#if WINDOW
      let inside = key_x < vec4u(select(0u, real_width, key_y < real_height));
      let any_inside = x0 < real_width && y0 < real_height;
      let keys = ((top + min(key_y, real_height - 1u)) * params.width + vec4u(left) + column) * stride4;
      let key_at = keys + vec4u(params.c4 + head4);
      let value_at = keys + vec4u(value_offset4);
#else
      let keys = vec4u(min(key_y, real_height - 1u) * params.grid_width) + column;
      let key_at = vec4u(key_base) + keys * params.key_stride4;
      let value_at = vec4u(value_base) + keys * params.value_stride4;
#endif
#unroll r 0 ROWS
      var p$r = vec4f();
#endunroll
#if WINDOW
      if (any_inside) {
#else
      {
#endif
        for (var d = 0u; d < params.head4; d++) {
          let k0 = load_key(key_at.x + d);
          let k1 = load_key(key_at.y + d);
          let k2 = load_key(key_at.z + d);
          let k3 = load_key(key_at.w + d);
          let x = vec4f(k0.x, k1.x, k2.x, k3.x);
          let y = vec4f(k0.y, k1.y, k2.y, k3.y);
          let z = vec4f(k0.z, k1.z, k2.z, k3.z);
          let w = vec4f(k0.w, k1.w, k2.w, k3.w);
#unroll j 0 LOADS
          let q$j = load_query(query_base$j + d);
#endunroll
#unroll r 0 ROWS
          let s$r = subgroupShuffle(q${r / SG}, ${r % SG}u);
          p$r += s$r.x * x + s$r.y * y + s$r.z * z + s$r.w * w;
#endunroll
        }
      }
#if RELATIVE
#unroll r 0 ROWS
      var relative_y$r = 0.0;
#endunroll
      for (var i = 0u; i < params.slot_rows; i++) {
        let term_y = min(y0 + i, params.grid_height - 1u);
#unroll j 0 LOADS
        let term$j = relative[relative_base$j + term_y / 4u][term_y % 4u];
#endunroll
#unroll r 0 ROWS
        relative_y$r = select(relative_y$r, subgroupShuffle(term${r / SG}, ${r % SG}u), lane_y == i);
#endunroll
      }
#endif
#if MASK
#unroll r 0 ROWS
      var mask$r = vec4f();
#endunroll
      for (var l = 0u; l < params.lanes; l++) {
        let at = min(vec4u(x0 + 4u * l) + vec4u(0u, 1u, 2u, 3u), vec4u(params.grid_width - 1u));
#unroll j 0 LOADS
        let mask_row$j = row$j * params.mask_stride;
        let masks$j = vec4f(mask[mask_row$j + at.x], mask[mask_row$j + at.y], mask[mask_row$j + at.z], mask[mask_row$j + at.w]);
#endunroll
#unroll r 0 ROWS
        mask$r = select(mask$r, subgroupShuffle(masks${r / SG}, ${r % SG}u), lane == l);
#endunroll
      }
#endif
#unroll r 0 ROWS
      {
#if WINDOW
        p$r = params.scale * select(vec4f(subgroupShuffle(outside_scores${r / SG}, ${r % SG}u)), p$r, inside);
#else
        p$r *= params.scale;
#endif
#if RELATIVE
        p$r += relative_x$r + relative_y$r;
#endif
#if MASK
        p$r = max(p$r + mask$r, vec4f(-1e30));
#endif
        p$r = select(vec4f(-1e30), p$r, exists);
        let peak = max(highest$r, subgroup_max(max(max(p$r.x, p$r.y), max(p$r.z, p$r.w)), lane));
        let fade = exp(highest$r - peak);
        highest$r = peak;
        // A row of nothing but masked keys weighs all of them alike, but never what is no key.
        p$r = select(vec4f(), exp(p$r - peak), exists);
        total$r = total$r * fade + dot(p$r, vec4f(1.0));
#if WINDOW
        outside$r = outside$r * fade + dot(select(p$r, vec4f(), inside), vec4f(1.0));
        p$r = select(vec4f(), p$r, inside);
#endif
#unroll part 0 PARTS
        o${r}_$part *= fade;
#endunroll
      }
#endunroll
      for (var l = 0u; l < params.lanes; l++) {
        if (x0 + 4u * l % ${SLOT_WIDTH}u >= real_width || y0 + 4u * l / ${SLOT_WIDTH}u >= real_height) {
          continue;
        }
        let rows = subgroupShuffle(value_at, l);
#unroll part 0 PARTS
        let a$part = load_value(rows.x + channel$part);
        let b$part = load_value(rows.y + channel$part);
        let c$part = load_value(rows.z + channel$part);
        let d$part = load_value(rows.w + channel$part);
#endunroll
#unroll r 0 ROWS
        let t$r = subgroupShuffle(p$r, l);
#unroll part 0 PARTS
        o${r}_$part += t$r.x * a$part + t$r.y * b$part + t$r.z * c$part + t$r.w * d$part;
#endunroll
#endunroll
      }
    }
  }

#unroll r 0 ROWS
  {
    let scale = 1.0 / subgroup_sum(total$r, lane);
#if WINDOW
    let outside = subgroup_sum(outside$r, lane);
#endif
    let token = subgroupShuffle(token${r / SG}, ${r % SG}u);
    if (first_row + ${r}u < queries) {
      let out_base = (token * workgroups.y + workgroup.y) * ${HEAD4}u;
#unroll part 0 PARTS
      if (${part * SG}u + lane < ${HEAD4}u) {
#if WINDOW
        o${r}_$part += outside * qkv_bias[value_offset4 + channel$part];
#endif
        out[out_base + channel$part] = o${r}_$part * scale;
      }
#endunroll
    }
  }
#endunroll
}
