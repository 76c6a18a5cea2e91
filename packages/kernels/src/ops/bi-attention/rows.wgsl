// Softmax of each image token's scores over the text, in place, for the four heads of a vector at once.
struct Params {
  rows: u32,
  tokens: u32,
}

@group(0) @binding(auto) var<storage, read_write> scores: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

const LANES = ${LANES}u;
#if LANES > 1
var<workgroup> partial: array<vec4f, 64>;
#endif

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row = (workgroup.y * workgroups.x + workgroup.x) * (64u / LANES) + local / LANES;
  let lane = local % LANES;
  // Rows beyond the last one take part in the barriers with nothing to read.
  let base = row * params.tokens;
  let end = select(0u, params.tokens, row < params.rows);
  var highest = vec4f(-3.0e38);
  for (var t = lane; t < end; t += LANES) {
    highest = max(highest, scores[base + t]);
  }
#if LANES > 1
  partial[local] = highest;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) {
      partial[local] = max(partial[local], partial[local + step]);
    }
  }
  workgroupBarrier();
  highest = partial[local - lane];
  workgroupBarrier();
#endif
  var sum = vec4f();
  for (var t = lane; t < end; t += LANES) {
    let e = exp(scores[base + t] - highest);
    scores[base + t] = e;
    sum += e;
  }
#if LANES > 1
  partial[local] = sum;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) {
      partial[local] += partial[local + step];
    }
  }
  workgroupBarrier();
  sum = partial[local - lane];
#endif
  let scale = 1.0 / sum;
  for (var t = lane; t < end; t += LANES) {
    scores[base + t] *= scale;
  }
}
