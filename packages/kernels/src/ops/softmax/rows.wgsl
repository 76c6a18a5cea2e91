// Softmax over the rows of a matrix, in place. Columns from `valid` on are set to zero, so that a row may be padded.
#if SUBGROUP
// One subgroup a row: no barriers.
enable subgroups;
#endif

struct Params {
  rows: u32,
  columns4: u32,
  valid: u32,
}

@group(0) @binding(auto) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

#if !SUBGROUP
var<workgroup> partial: array<f32, ${THREADS}>;
#endif

fn masked(index: u32, column4: u32, fill: f32) -> vec4f {
  let column = vec4u(column4 * 4u) + vec4u(0u, 1u, 2u, 3u);
  return select(vec4f(fill), x[index], column < vec4u(params.valid));
}

@compute @workgroup_size(${THREADS})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
#if SUBGROUP
  @builtin(subgroup_invocation_id) lane: u32,
#else
  @builtin(local_invocation_index) lane: u32,
#endif
) {
  let row = workgroup.y * workgroups.x + workgroup.x;
  if (row >= params.rows) {
    return;
  }
  let base = row * params.columns4;
  var highest4 = vec4f(-3.0e38);
  for (var c = lane; c < params.columns4; c += ${THREADS}u) {
    highest4 = max(highest4, masked(base + c, c, -3.0e38));
  }
  var highest = max(max(highest4.x, highest4.y), max(highest4.z, highest4.w));
#if SUBGROUP
  highest = subgroupMax(highest);
#else
  partial[lane] = highest;
  workgroupBarrier();
  for (var step = ${THREADS / 2}u; step > 0u; step /= 2u) {
    if (lane < step) {
      partial[lane] = max(partial[lane], partial[lane + step]);
    }
    workgroupBarrier();
  }
  highest = partial[0];
  workgroupBarrier();
#endif
  var sum4 = vec4f();
  for (var c = lane; c < params.columns4; c += ${THREADS}u) {
    let e = exp(masked(base + c, c, -3.0e38) - highest);
    x[base + c] = e;
    sum4 += e;
  }
  var sum = sum4.x + sum4.y + sum4.z + sum4.w;
#if SUBGROUP
  sum = subgroupAdd(sum);
#else
  partial[lane] = sum;
  workgroupBarrier();
  for (var step = ${THREADS / 2}u; step > 0u; step /= 2u) {
    if (lane < step) {
      partial[lane] += partial[lane + step];
    }
    workgroupBarrier();
  }
  sum = partial[0];
#endif
  let scale = 1.0 / sum;
  for (var c = lane; c < params.columns4; c += ${THREADS}u) {
    x[base + c] *= scale;
  }
}
