// Attention with a running softmax for GPUs: 16 x 16 invocations own 64 queries of a head and take the keys in tiles, two
// matrix products out of workgroup memory. An invocation owns 4 queries, and of these the scores of KEYS / 16 keys and
// the channels of every sixteenth vector. Sixteen neighbouring invocations share queries: subgroups of 16 or more. While
// a tile is worked on, the next one is on its way from memory.
//
// Keys are the positions of a grid, in tiles of SLOT_HEIGHT rows and SLOT_WIDTH columns, which go down before they go
// right: the relative terms of the columns then stay in registers. Keys without a grid are a grid of one row.
#if WINDOW
// The grid is a window of an image of tokens. Where it reaches beyond the image, keys and values are the bias of the
// projection.
#endif
enable subgroups;

#if WINDOW
struct Params {
  scale: f32,
  grid_height: u32,     // the window
  grid_width: u32,
  relative_stride: u32, // terms of one query and head: rows, then columns
  relative_columns: u32,
  height: u32,          // the image, in tokens
  width: u32,
  windows_x: u32,
  c4: u32,              // channels / 4
}
#else
#include "params"
#endif

#if WINDOW
@group(0) @binding(auto) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(auto) var<storage, read> qkv_bias: array<vec4f>;
#else
@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
#endif
#if RELATIVE
@group(0) @binding(auto) var<storage, read> relative: array<f32>;
#endif
#if MASK
@group(0) @binding(auto) var<storage, read> mask: array<f32>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

const THREADS = 256u;
const KEYS = ${16 * TN}u;
const HEAD4 = ${HEAD4}u;

#if HOLD_QUERIES
var<workgroup> q_tile: array<vec4f, ${64 * HEAD4}>;
#endif
// Keys, then the weights of the values: KEYS / 4 vectors a query.
var<workgroup> k_tile: array<vec4f, ${K_VECTORS}>;
var<workgroup> v_tile: array<vec4f, ${16 * TN * HEAD4}>;

#if WINDOW
fn load_query(index: u32) -> vec4f { return qkv[index]; }
#else
fn load_query(index: u32) -> vec4f { return query[index]; }
#endif

// Rows of keys in different banks: by their distance, or exchanged where that is a multiple of the banks.
#if SWIZZLE
fn key_slot(row: u32, d: u32) -> u32 { return row * HEAD4 + (d ^ (row & 7u)); }
#else
fn key_slot(row: u32, d: u32) -> u32 { return row * ${STRIDE}u + d; }
#endif

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let head = workgroup.y;
  let head4 = head * HEAD4;
  let first = id.y * 4u;
#if WINDOW
  let top = workgroup.x / params.windows_x * params.grid_height;
  let left = workgroup.x % params.windows_x * params.grid_width;
  // The part of the window that lies within the image.
  let real_height = min(params.grid_height, params.height - top);
  let real_width = min(params.grid_width, params.width - left);
  let queries = real_height * real_width;
  let tile_row = workgroup.z * 64u;
  if (tile_row >= queries) {
    return;
  }
#else
  let batch = workgroup.z;
  let queries = params.queries;
  let tile_row = workgroup.x * 64u;
  let query_base = batch * params.query_batch4 + params.query_offset4 + head4;
  let key_base = batch * params.key_batch4 + params.key_offset4 + head4;
  let value_base = batch * params.value_batch4 + params.value_offset4 + head4;
#endif

#unroll i 0 4
  let row$i = min(tile_row + first + ${i}u, queries - 1u);
#if WINDOW
  let token$i = (top + row$i / real_width) * params.width + left + row$i % real_width;
  let query_at$i = token$i * 3u * params.c4 + head4;
#else
  let token$i = batch * queries + row$i;
  let query_at$i = query_base + row$i * params.query_stride4;
#endif
#if RELATIVE
  let terms$i = (token$i * workgroups.y + head) * params.relative_stride;
#unroll j 0 TN
  var term_x${i}_${j} = 0.0;
#endunroll
#endif
  var highest$i = -1e30;
  var total$i = 0.0;
#unroll c 0 COLUMNS
  var o${i}_${c} = vec4f();
#endunroll
#endunroll
#if HOLD_QUERIES
  // The sixteen invocations of a row load its queries.
#unroll i 0 4
  for (var d = id.x; d < HEAD4; d += 16u) {
    q_tile[(first + ${i}u) * HEAD4 + d] = load_query(query_at$i + d) * params.scale;
  }
#endunroll
#endif

  let tiles_y = (params.grid_height + ${SLOT_HEIGHT - 1}u) / ${SLOT_HEIGHT}u;
  let tiles = tiles_y * ((params.grid_width + ${SLOT_WIDTH - 1}u) / ${SLOT_WIDTH}u);
#unroll l 0 LOADS
  var next_key$l = vec4f();
  var next_value$l = vec4f();
#endunroll
  // Before the first tile there is nothing to work on.
  for (var step = 0u; step <= tiles; step++) {
    if (step > 0u) {
      // The tiles are free again.
      workgroupBarrier();
#unroll l 0 LOADS
      {
        let e = local + ${256 * l}u;
#if REST
        if (e < KEYS * HEAD4) {
#else
        {
#endif
          let slot = e / HEAD4;
          // Keys that one invocation scores lie 16 rows apart.
          k_tile[key_slot(slot % ${TN}u * 16u + slot / ${TN}u, e % HEAD4)] = next_key$l;
          v_tile[e] = next_value$l;
        }
      }
#endunroll
      workgroupBarrier();
    }
    if (step < tiles) {
      let y0 = step % tiles_y * ${SLOT_HEIGHT}u;
      let x0 = step / tiles_y * ${SLOT_WIDTH}u;
#unroll l 0 LOADS
      {
        let e = min(local + ${256 * l}u, KEYS * HEAD4 - 1u);
        let slot = e / HEAD4;
        let d = e % HEAD4;
        let x = x0 + slot % ${SLOT_WIDTH}u;
        let y = y0 + slot / ${SLOT_WIDTH}u;
#if WINDOW
        let token = (top + min(y, real_height - 1u)) * params.width + left + min(x, real_width - 1u);
        let at = token * 3u * params.c4 + params.c4 + head4 + d;
        let bias_at = params.c4 + head4 + d;
        if (x < real_width && y < real_height) {
          next_key$l = qkv[at];
          next_value$l = qkv[at + params.c4];
        } else {
          next_key$l = qkv_bias[bias_at];
          next_value$l = qkv_bias[bias_at + params.c4];
        }
#else
        let k = min(y, params.grid_height - 1u) * params.grid_width + min(x, params.grid_width - 1u);
        next_key$l = key[key_base + k * params.key_stride4 + d];
        next_value$l = value[value_base + k * params.value_stride4 + d];
#endif
      }
#endunroll
    }
    if (step == 0u) {
      continue;
    }
    let y0 = (step - 1u) % tiles_y * ${SLOT_HEIGHT}u;
    let x0 = (step - 1u) / tiles_y * ${SLOT_WIDTH}u;

#unroll i 0 4
#unroll j 0 TN
    var s${i}_${j} = 0.0;
#endunroll
#endunroll
    // The second condition keeps software rasterisers from unrolling this, which would take them minutes.
#if WINDOW
    for (var d = 0u; d < HEAD4 && d < params.c4; d++) {
#else
    for (var d = 0u; d < HEAD4 && d < params.query_stride4; d++) {
#endif
#unroll j 0 TN
      let k$j = k_tile[key_slot(${j * 16}u + id.x, d)];
#endunroll
#unroll i 0 4
#if HOLD_QUERIES
      let q$i = q_tile[(first + ${i}u) * HEAD4 + d];
#else
      let q$i = load_query(query_at$i + d) * params.scale;
#endif
#unroll j 0 TN
      // A sum for each vector, added as one: a chain through all of them would round four times as often.
      s${i}_${j} += fma(q$i.x, k$j.x, fma(q$i.y, k$j.y, fma(q$i.z, k$j.z, q$i.w * k$j.w)));
#endunroll
#endunroll
    }
    // The keys have been read by all; their place is for the weights now.
    workgroupBarrier();

    let x = x0 + id.x * ${TN}u % ${SLOT_WIDTH}u;
    let y = y0 + id.x * ${TN}u / ${SLOT_WIDTH}u;
#unroll j 0 TN
    let valid$j = x + ${j}u < params.grid_width && y < params.grid_height;
    let column$j = min(x + ${j}u, params.grid_width - 1u);
#if MASK
    let key$j = min(y, params.grid_height - 1u) * params.grid_width + column$j;
#endif
#endunroll
#unroll i 0 4
#if RELATIVE
    if (y0 == 0u) {
#unroll j 0 TN
      term_x${i}_${j} = relative[terms$i + params.relative_columns + column$j];
#endunroll
    }
    let term_y$i = relative[terms$i + min(y, params.grid_height - 1u)];
#endif
    var peak$i = highest$i;
#unroll j 0 TN
#if RELATIVE
    s${i}_${j} += term_y$i + term_x${i}_${j};
#endif
#if MASK
    s${i}_${j} = max(s${i}_${j} + mask[row$i * params.mask_stride + key$j], -1e30);
#endif
    s${i}_${j} = select(-1e30, s${i}_${j}, valid$j);
    peak$i = max(peak$i, s${i}_${j});
#endunroll
    peak$i = max(peak$i, subgroupShuffleXor(peak$i, 1u));
    peak$i = max(peak$i, subgroupShuffleXor(peak$i, 2u));
    peak$i = max(peak$i, subgroupShuffleXor(peak$i, 4u));
    peak$i = max(peak$i, subgroupShuffleXor(peak$i, 8u));
    let fade$i = exp(highest$i - peak$i);
    highest$i = peak$i;
    total$i *= fade$i;
#unroll c 0 COLUMNS
    o${i}_${c} *= fade$i;
#endunroll
#unroll j 0 TN
    // A row of nothing but masked keys weighs all of them alike, but never what is no key.
    let share${i}_${j} = select(0.0, exp(s${i}_${j} - peak$i), valid$j);
    total$i += share${i}_${j};
#endunroll
#if TN == 4
    k_tile[(first + ${i}u) * 16u + id.x] = vec4f(share${i}_0, share${i}_1, share${i}_2, share${i}_3);
#else
    k_tile[(first + ${i}u) * 8u + id.x / 2u][id.x % 2u * 2u] = share${i}_0;
    k_tile[(first + ${i}u) * 8u + id.x / 2u][id.x % 2u * 2u + 1u] = share${i}_1;
#endif
#endunroll
    workgroupBarrier();

    // Slots below or right of the grid are left out four at a time; others there have no weight.
    let slots = select(KEYS, ${SLOT_WIDTH}u * (params.grid_height - y0), y0 + ${SLOT_HEIGHT}u > params.grid_height);
    for (var k = 0u; k < KEYS / 4u && 4u * k < slots; k++) {
#unroll c 0 COLUMNS
      let column$c = min(id.x + ${16 * c}u, HEAD4 - 1u);
#unroll q 0 4
      let v${q}_${c} = v_tile[(k * 4u + ${q}u) * HEAD4 + column$c];
#endunroll
#endunroll
#unroll i 0 4
      let p$i = k_tile[(first + ${i}u) * ${4 * TN}u + k];
#unroll c 0 COLUMNS
      o${i}_${c} = fma(vec4f(p$i.x), v0_$c, fma(vec4f(p$i.y), v1_$c, fma(vec4f(p$i.z), v2_$c, fma(vec4f(p$i.w), v3_$c, o${i}_${c}))));
#endunroll
#endunroll
    }
  }

#unroll i 0 4
  total$i += subgroupShuffleXor(total$i, 1u);
  total$i += subgroupShuffleXor(total$i, 2u);
  total$i += subgroupShuffleXor(total$i, 4u);
  total$i += subgroupShuffleXor(total$i, 8u);
  if (tile_row + first + ${i}u < queries) {
    let out_base = (token$i * workgroups.y + head) * HEAD4;
#unroll c 0 COLUMNS
    if (id.x + ${16 * c}u < HEAD4) {
      out[out_base + id.x + ${16 * c}u] = o${i}_${c} / total$i;
    }
#endunroll
  }
#endunroll
}
