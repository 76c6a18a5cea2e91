// Multi-scale deformable attention: where the points of a head lie, their weights, and the interpolated sum, in one pass.
struct Params {
  queries: u32,
  heads: u32,
  head4: u32,         // channels of a head / 4
  levels: u32,
  table: array<vec4u, ${MAX_LEVELS}>,  // height, width, first pixel
}

@group(0) @binding(auto) var<storage, read> value: array<vec4f>;
@group(0) @binding(auto) var<storage, read> projection: array<vec4f>;
#if BOXES
@group(0) @binding(auto) var<storage, read> reference: array<vec4f>;
#else
@group(0) @binding(auto) var<storage, read> reference: array<vec2f>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(${WORKGROUP})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * ${WORKGROUP}u + local;
  let first_channel4 = index * ${VECTORS}u;
  let row4 = params.heads * params.head4;
  let query = first_channel4 / row4;
  if (query >= params.queries) {
    return;
  }
  let column4 = first_channel4 % row4;
  let head = column4 / params.head4;

  // Offsets take two numbers a point, weights one, in groups of four points.
  let groups = params.levels * ${POINTS4}u;
  let projection_base = query * params.heads * groups * 3u;
  let offset_base = projection_base + head * groups * 2u;
  let weight_base = projection_base + (params.heads * 2u + head) * groups;
  var highest4 = projection[weight_base];
  for (var g = 1u; g < groups; g++) {
    highest4 = max(highest4, projection[weight_base + g]);
  }
  let highest = max(max(highest4.x, highest4.y), max(highest4.z, highest4.w));

  let position = reference[query];
  var total = vec4f();
#unroll v 0 VECTORS
  var acc$v = vec4f();
#endunroll
  for (var l = 0u; l < params.levels; l++) {
    let level = params.table[l];
    let size = vec2f(f32(level.y), f32(level.x));
    let last = vec2i(vec2u(level.y, level.x)) - 1;
#if BOXES
    let scale = position.zw * size * (0.5 / ${4 * POINTS4}.0);
#else
    let scale = vec2f(1.0);
#endif
    for (var p4 = 0u; p4 < ${POINTS4}u; p4++) {
      let g = l * ${POINTS4}u + p4;
      let weights = exp(projection[weight_base + g] - highest);
      total += weights;
      let offsets01 = projection[offset_base + 2u * g];
      let offsets23 = projection[offset_base + 2u * g + 1u];
      for (var p = 0u; p < 4u; p++) {
        let pair = select(offsets01, offsets23, p >= 2u);
        let offset = select(pair.xy, pair.zw, (p & 1u) == 1u);
        // Points far outside are brought near: they weigh nothing, and must not overflow as integers.
        let pixel = clamp(fma(position.xy, size, fma(offset, scale, vec2f(-0.5))), vec2f(-2.0), size + 1.0);
        let corner = floor(pixel);
        let fraction = pixel - corner;
        let low = vec2i(corner);
        let high = low + 1;
        let near = select(vec2f(), 1.0 - fraction, (low >= vec2i()) & (low <= last));
        let far = select(vec2f(), fraction, (high >= vec2i()) & (high <= last));
        let x = vec2u(clamp(vec2i(low.x, high.x), vec2i(), last.xx));
        let y = vec2u(clamp(vec2i(low.y, high.y), vec2i(), last.yy)) * level.y + level.z;
        let weight = weights[p];
        let w00 = weight * near.y * near.x;
        let w01 = weight * near.y * far.x;
        let w10 = weight * far.y * near.x;
        let w11 = weight * far.y * far.x;
        let i00 = (y.x + x.x) * row4 + column4;
        let i01 = (y.x + x.y) * row4 + column4;
        let i10 = (y.y + x.x) * row4 + column4;
        let i11 = (y.y + x.y) * row4 + column4;
#unroll v 0 VECTORS
        acc$v += w00 * value[i00 + ${v}u] + w01 * value[i01 + ${v}u] + w10 * value[i10 + ${v}u] + w11 * value[i11 + ${v}u];
#endunroll
      }
    }
  }
  let normalise = 1.0 / (total.x + total.y + total.z + total.w);
#unroll v 0 VECTORS
  out[first_channel4 + ${v}u] = acc$v * normalise;
#endunroll
}
