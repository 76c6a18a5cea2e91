// Similarity of 8 neighbouring tokens of a row to one row of the window in a remembered frame: 8 x COLUMNS dot products,
// since the windows of neighbours overlap. Column m of a token's scores is the map position x0 - radius + m, where x0 is
// the first of the 8 tokens. Entries outside the map are not read later and may hold anything.
#if SUBGROUP
enable subgroups;
#endif

struct Params {
  width: u32,
  height: u32,
  row_blocks: u32,
  depth4: u32,
  radius: u32,
  columns: u32,      // map positions that 8 neighbours see in a row of the window
  out_stride: u32,   // scores of a token, in all remembered frames
  out_offset: u32,
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> scores: array<f32>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(${THREADS})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
#if SUBGROUP
  @builtin(subgroup_invocation_id) lane: u32,
#else
  @builtin(local_invocation_index) lane: u32,
#endif
) {
  let block = workgroup.x;
  let dy = workgroup.y;
  let y = block / params.row_blocks;
  let x0 = (block % params.row_blocks) * 8u;
  let memory_y = i32(y + dy) - i32(params.radius);
  if (memory_y < 0 || memory_y >= i32(params.height)) {
    return;
  }
#unroll j 0 PER_LANE
  let m$j = lane + ${j * THREADS}u;
  let memory_x$j = clamp(i32(x0 + m$j) - i32(params.radius), 0, i32(params.width) - 1);
  let key$j = (u32(memory_y) * params.width + u32(memory_x$j)) * params.depth4;
#endunroll
#if SUBGROUP
#unroll l 0 QUERY_LOADS
  let query$l = (y * params.width + min(x0 + (lane + ${l * THREADS}u) % 8u, params.width - 1u)) * params.depth4;
#endunroll
#else
#unroll r 0 8
  let query$r = (y * params.width + min(x0 + ${r}u, params.width - 1u)) * params.depth4;
#endunroll
#endif
#include "products"
#unroll r 0 8
#unroll j 0 PER_LANE
  if (x0 + ${r}u < params.width && m$j < params.columns) {
    scores[(y * params.width + x0 + ${r}u) * params.out_stride + params.out_offset + dy * params.columns + m$j] = score${r}_${j};
  }
#endunroll
#endunroll
}
