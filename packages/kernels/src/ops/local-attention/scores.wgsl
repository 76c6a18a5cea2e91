// Scores of windowed attention for 8 neighbouring queries of an image row against one row of the window: 8 x COLUMNS dot
// products, since the windows of neighbours overlap. Written skewed, as [query][window row][COLUMNS], where column m is
// the map position x0 - RADIUS + m; what lies outside a query's window or outside the map is -1e30, so that a softmax over
// the row gives it weight zero.
#if SUBGROUP
enable subgroups;
#endif

struct Params {
  width: u32,
  height: u32,
  row_blocks: u32,
  query_stride4: u32,
  query_offset4: u32,
  key_stride4: u32,
  key_offset4: u32,
  depth4: u32,
  relative_stride: u32,
  scale: f32,
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> key: array<vec4f>;
@group(0) @binding(auto) var<storage, read> relative: array<f32>;
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
  let memory_y = i32(y + dy) - ${RADIUS};
  let row_inside = memory_y >= 0 && memory_y < i32(params.height);
  let row_start = u32(clamp(memory_y, 0, i32(params.height) - 1)) * params.width;
#unroll j 0 PER_LANE
  let m$j = lane + ${j * THREADS}u;
  let memory_x$j = i32(x0 + m$j) - ${RADIUS};
  let key$j = (row_start + u32(clamp(memory_x$j, 0, i32(params.width) - 1))) * params.key_stride4 + params.key_offset4;
#endunroll
#if SUBGROUP
#unroll l 0 QUERY_LOADS
  let query$l = (y * params.width + min(x0 + (lane + ${l * THREADS}u) % 8u, params.width - 1u)) * params.query_stride4 + params.query_offset4;
#endunroll
#else
#unroll r 0 8
  let query$r = (y * params.width + min(x0 + ${r}u, params.width - 1u)) * params.query_stride4 + params.query_offset4;
#endunroll
#endif
#include "products"
#unroll r 0 8
  let token$r = (y * params.width + min(x0 + ${r}u, params.width - 1u)) * params.relative_stride + dy * ${WINDOW}u;
#unroll j 0 PER_LANE
  if (m$j < ${COLUMNS}u) {
    let inside = row_inside && memory_x$j >= 0 && memory_x$j < i32(params.width) && m$j >= ${r}u && m$j < ${r + WINDOW}u;
    let bias = relative[token$r + min(max(m$j, ${r}u) - ${r}u, ${WINDOW - 1}u)];
    scores[((block * 8u + ${r}u) * ${WINDOW}u + dy) * ${COLUMNS}u + m$j] = select(-1.0e30, score${r}_${j} * params.scale + bias, inside);
  }
#endunroll
#endunroll
}
