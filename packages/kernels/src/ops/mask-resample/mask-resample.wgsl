// Low-resolution mask logits at the size of the image: the two bilinear steps (to the network's frame, and from the part of
// it that holds the image to the image) are three taps an axis, evaluated for each pixel. An invocation walks down a column
// and keeps what its three rows gave along x, so that it loads anew only where the rows change.
struct Params {
  side: u32,          // of the low-resolution map
  width: u32,         // of the image
  height: u32,
  words: u32,         // ceil(height / 32)
  threshold: f32,
  offset: f32,        // stability: the counts above threshold + offset and threshold - offset
}

@group(0) @binding(auto) var<storage, read> logits: array<f32>;      // [masks][side][side]
@group(0) @binding(auto) var<storage, read> columns: array<vec4f>;   // [width] first column, three weights
@group(0) @binding(auto) var<storage, read> rows: array<vec4f>;
#if SELECTED
@group(0) @binding(auto) var<storage, read> selected: array<u32>;
#endif
#if OUTPUT == 'values'
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;   // [mask][height][width]
#else
@group(0) @binding(auto) var<storage, read_write> out: array<u32>;
#endif
@group(0) @binding(auto) var<uniform> params: Params;

fn along_x(at: u32, weights: vec4f) -> f32 {
  return weights.y * logits[at] + weights.z * logits[at + 1u] + weights.w * logits[at + 2u];
}

#if OUTPUT == 'statistics'
// Sums, then the greatest of what grows with the box: atomics of workgroups start at zero.
var<workgroup> totals: array<atomic<u32>, 7>;
const FAR = 0x7fffffffu;
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let column = workgroup.x * 64u + local;
  let inside = column < params.width;
#if SELECTED
  let mask = selected[workgroup.y];
#else
  let mask = workgroup.y;
#endif
  let weights = columns[min(column, params.width - 1u)];
  let base = mask * params.side * params.side + u32(weights.x);
  // No row, nor the one before a row.
  var loaded = 0x7fffffffu;
  var above = vec3f();
#if OUTPUT == 'statistics'
  var high = 0u;
  var low = 0u;
  var area = 0u;
  var top = FAR;
  var bottom = 0u;
#elif OUTPUT == 'bits'
  var word = 0u;
#endif
  // Lanes beyond the last column have nothing to walk through, but take part in the reduction.
  let height = select(0u, params.height, inside);
  for (var y = 0u; y < height; y++) {
    let row = rows[y];
    let first = u32(row.x);
    if (first != loaded) {
      let at = base + first * params.side;
      if (first == loaded + 1u) {
        above = vec3f(above.y, above.z, along_x(at + 2u * params.side, weights));
      } else {
        above = vec3f(along_x(at, weights), along_x(at + params.side, weights), along_x(at + 2u * params.side, weights));
      }
      loaded = first;
    }
    let value = dot(above, row.yzw);
#if OUTPUT == 'values'
    out[(workgroup.y * params.height + y) * params.width + column] = value;
#elif OUTPUT == 'bits'
    word |= select(0u, 1u, value > params.threshold) << (y % 32u);
    if (y % 32u == 31u || y + 1u == params.height) {
      out[(workgroup.y * params.width + column) * params.words + y / 32u] = word;
      word = 0u;
    }
#else
    high += select(0u, 1u, value > params.threshold + params.offset);
    low += select(0u, 1u, value > params.threshold - params.offset);
    if (value > params.threshold) {
      area++;
      top = min(top, y);
      bottom = y;
    }
#endif
  }
#if OUTPUT == 'statistics'
  atomicAdd(&totals[0], high);
  atomicAdd(&totals[1], low);
  if (area > 0u) {
    atomicAdd(&totals[2], area);
    atomicMax(&totals[3], FAR - column);
    atomicMax(&totals[4], FAR - top);
    atomicMax(&totals[5], column + 1u);
    atomicMax(&totals[6], bottom + 1u);
  }
  workgroupBarrier();
  if (local < 8u) {
    var total = 0u;
    if (local < 7u) {
      total = atomicLoad(&totals[local]);
    }
    out[(workgroup.y * workgroups.x + workgroup.x) * 8u + local] = total;
  }
#endif
}
