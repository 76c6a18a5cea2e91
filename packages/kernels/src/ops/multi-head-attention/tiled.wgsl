// Attention with a running softmax for GPUs: 16 x 8 invocations own 64 queries of a head and take the keys in tiles, two
// matrix products out of workgroup memory. An invocation owns 8 queries, and of these the scores of KEYS / 16 keys and
// the channels of every sixteenth vector. Sixteen neighbouring invocations share queries: subgroups of 16 or more.
enable subgroups;

#include "params"

@group(0) @binding(0) var<storage, read> query: array<vec4f>;
@group(0) @binding(1) var<storage, read> key: array<vec4f>;
@group(0) @binding(2) var<storage, read> value: array<vec4f>;
#if RELATIVE
@group(0) @binding(${RELATIVE_BINDING}) var<storage, read> relative: array<f32>;
#endif
#if MASK
@group(0) @binding(${MASK_BINDING}) var<storage, read> mask: array<f32>;
#endif
@group(0) @binding(${OUT_BINDING}) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(${OUT_BINDING + 1}) var<uniform> params: Params;

const THREADS = 128u;
const QUERIES = 64u;
const KEYS = ${16 * TN}u;
const HEAD4 = ${HEAD4}u;

var<workgroup> q_tile: array<vec4f, ${64 * HEAD4}>;
// Keys, then values.
var<workgroup> kv_tile: array<vec4f, ${16 * TN * STRIDE}>;
var<workgroup> p_tile: array<vec4f, ${64 * 4 * TN}>;

// Rows of keys in different banks: by their distance, or exchanged where that is a multiple of the banks.
#if SWIZZLE
fn key_slot(row: u32, d: u32) -> u32 { return row * HEAD4 + (d ^ (row & 7u)); }
#else
fn key_slot(row: u32, d: u32) -> u32 { return row * ${STRIDE}u + d; }
#endif

@compute @workgroup_size(16, 8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let tile_row = workgroup.x * QUERIES;
  let head = workgroup.y;
  let batch = workgroup.z;
  let keys = params.grid_height * params.grid_width;
  let query_base = batch * params.query_batch4 + params.query_offset4 + head * HEAD4;
  let key_base = batch * params.key_batch4 + params.key_offset4 + head * HEAD4;
  let value_base = batch * params.value_batch4 + params.value_offset4 + head * HEAD4;
  for (var e = local; e < QUERIES * HEAD4; e += THREADS) {
    let row = min(tile_row + e / HEAD4, params.queries - 1u);
    q_tile[e] = query[query_base + row * params.query_stride4 + e % HEAD4] * params.scale;
  }
  let first = id.y * 8u;
#unroll i 0 8
  let row$i = min(tile_row + first + ${i}u, params.queries - 1u);
#if RELATIVE
  let terms$i = ((batch * params.queries + row$i) * workgroups.y + head) * params.relative_stride;
#endif
  var highest$i = -1e30;
  var total$i = 0.0;
#unroll c 0 COLUMNS
  var o${i}_${c} = vec4f();
#endunroll
#endunroll
  for (var k0 = 0u; k0 < keys; k0 += KEYS) {
    // The tile is free: of the last values, and q_tile is filled.
    workgroupBarrier();
    for (var e = local; e < KEYS * HEAD4; e += THREADS) {
      let k = e / HEAD4;
      let at = key_base + min(k0 + k, keys - 1u) * params.key_stride4 + e % HEAD4;
      // Keys that one invocation scores lie 16 rows apart.
      kv_tile[key_slot(k % ${TN}u * 16u + k / ${TN}u, e % HEAD4)] = key[at];
    }
    workgroupBarrier();
#unroll i 0 8
#unroll j 0 TN
    var s${i}_${j} = 0.0;
#endunroll
#endunroll
    // The second condition keeps software rasterisers from unrolling this, which would take them minutes.
    for (var d = 0u; d < HEAD4 && d < params.query_stride4; d++) {
#unroll j 0 TN
      let kv$j = kv_tile[key_slot(${j * 16}u + id.x, d)];
#endunroll
#unroll i 0 8
      let q$i = q_tile[(first + ${i}u) * HEAD4 + d];
#unroll j 0 TN
      // A sum for each vector, added as one: a chain through all of them would round four times as often.
      s${i}_${j} += fma(q$i.x, kv$j.x, fma(q$i.y, kv$j.y, fma(q$i.z, kv$j.z, q$i.w * kv$j.w)));
#endunroll
#endunroll
    }
    let first_key = k0 + id.x * ${TN}u;
#unroll j 0 TN
    let key$j = min(first_key + ${j}u, keys - 1u);
    let valid$j = first_key + ${j}u < keys;
#if RELATIVE
    let y$j = key$j / params.grid_width;
    let x$j = params.relative_columns + key$j % params.grid_width;
#endif
#endunroll
#unroll i 0 8
#unroll j 0 TN
#if RELATIVE
    s${i}_${j} += relative[terms$i + y$j] + relative[terms$i + x$j];
#endif
#if MASK
    s${i}_${j} = max(s${i}_${j} + mask[row$i * params.mask_stride + key$j], -1e30);
#endif
    s${i}_${j} = select(-1e30, s${i}_${j}, valid$j);
#endunroll
    var peak$i = highest$i;
#unroll j 0 TN
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
    let share${i}_${j} = select(0.0, exp(s${i}_${j} - peak$i), valid$j);
    total$i += share${i}_${j};
#endunroll
#if TN == 4
    p_tile[(first + ${i}u) * 16u + id.x] = vec4f(share${i}_0, share${i}_1, share${i}_2, share${i}_3);
#else
    p_tile[(first + ${i}u) * 8u + id.x / 2u][id.x % 2u * 2u] = share${i}_0;
    p_tile[(first + ${i}u) * 8u + id.x / 2u][id.x % 2u * 2u + 1u] = share${i}_1;
#endif
#endunroll
    workgroupBarrier();
    for (var e = local; e < KEYS * HEAD4; e += THREADS) {
      kv_tile[e] = value[value_base + min(k0 + e / HEAD4, keys - 1u) * params.value_stride4 + e % HEAD4];
    }
    workgroupBarrier();
    for (var k = 0u; k < KEYS / 4u && k0 + 4u * k < keys; k++) {
#unroll c 0 COLUMNS
      let column$c = min(id.x + ${16 * c}u, HEAD4 - 1u);
#unroll q 0 4
      let v${q}_${c} = kv_tile[(k * 4u + ${q}u) * HEAD4 + column$c];
#endunroll
#endunroll
#unroll i 0 8
      let p$i = p_tile[(first + ${i}u) * ${4 * TN}u + k];
#unroll c 0 COLUMNS
      o${i}_${c} = fma(vec4f(p$i.x), v0_$c, fma(vec4f(p$i.y), v1_$c, fma(vec4f(p$i.z), v2_$c, fma(vec4f(p$i.w), v3_$c, o${i}_${c}))));
#endunroll
#endunroll
    }
  }
#unroll i 0 8
  total$i += subgroupShuffleXor(total$i, 1u);
  total$i += subgroupShuffleXor(total$i, 2u);
  total$i += subgroupShuffleXor(total$i, 4u);
  total$i += subgroupShuffleXor(total$i, 8u);
  if (tile_row + first + ${i}u < params.queries) {
    let out_base = ((batch * params.queries + row$i) * workgroups.y + head) * HEAD4;
#unroll c 0 COLUMNS
    if (id.x + ${16 * c}u < HEAD4) {
      out[out_base + id.x + ${16 * c}u] = o${i}_${c} / total$i;
    }
#endunroll
  }
#endunroll
}
