// Weighted sums of windowed attention: 8 neighbouring queries share every value they load. The weights come skewed from
// the scores kernel, so the inner loop is that of a matrix product whose B rows are the window's map positions.
#if SUBGROUP
enable subgroups;
#endif

struct Params {
  width: u32,
  height: u32,
  row_blocks: u32,
  channels4: u32,
  out_stride4: u32,
  out_offset4: u32,
}

@group(0) @binding(auto) var<storage, read> weights: array<vec4f>;
@group(0) @binding(auto) var<storage, read> values: array<vec4f>;
#if GATE
@group(0) @binding(auto) var<storage, read> gate: array<vec4f>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
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
  let y = block / params.row_blocks;
  let x0 = (block % params.row_blocks) * 8u;
  let column = workgroup.y * ${THREADS}u + lane;
  let load_column = min(column, params.channels4 - 1u);
#unroll r 0 8
  var acc$r = vec4f();
#endunroll
#if SUBGROUP
#unroll l 0 QUERY_LOADS
  let base$l = (block * 8u + (lane + ${l * THREADS}u) % 8u) * ${WINDOW * COLUMNS / 4}u;
#endunroll
#else
#unroll r 0 8
  let base$r = (block * 8u + ${r}u) * ${WINDOW * COLUMNS / 4}u;
#endunroll
#endif
  for (var dy = 0u; dy < ${WINDOW}u; dy++) {
    let memory_y = i32(y + dy) - ${RADIUS};
    if (memory_y < 0 || memory_y >= i32(params.height)) {
      continue;
    }
    let row_start = u32(memory_y) * params.width;
    for (var m = 0u; m < ${COLUMNS / 4}u; m++) {
      let first_x = i32(x0 + m * 4u) - ${RADIUS};
#unroll i 0 4
      let v$i = values[(row_start + u32(clamp(first_x + ${i}, 0, i32(params.width) - 1))) * params.channels4 + load_column];
#endunroll
      let offset = dy * ${COLUMNS / 4}u + m;
#if SUBGROUP
#unroll l 0 QUERY_LOADS
      let loaded$l = weights[base$l + offset];
#endunroll
#endif
#unroll r 0 8
#if SUBGROUP
      let w$r = subgroupShuffle(loaded${r / THREADS}, ${r % THREADS}u);
#else
      let w$r = weights[base$r + offset];
#endif
      acc$r += w$r.x * v0 + w$r.y * v1 + w$r.z * v2 + w$r.w * v3;
#endunroll
    }
  }
  if (column >= params.channels4) {
    return;
  }
#unroll r 0 8
  if (x0 + ${r}u < params.width) {
    let token = y * params.width + x0 + ${r}u;
#if GATE
    acc$r *= gate[token * params.channels4 + column];
#endif
    out[token * params.out_stride4 + params.out_offset4 + column] = acc$r;
  }
#endunroll
}
