// For each chunk of image tokens and each text token, all four heads at once: the greatest score, the sum of exponentials,
// and the exponentials themselves, transposed so that a matrix product can sum the image over them.
struct Params {
  rows: u32,          // image tokens of this block
  tokens: u32,        // text tokens
  chunk: u32,         // image tokens of a chunk, a multiple of 4
  chunks: u32,        // chunks of this block
  first_chunk: u32,   // chunks of earlier blocks
}

@group(0) @binding(auto) var<storage, read> scores: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(auto) var<uniform> params: Params;

// Invocations that share a chunk of a text token.
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
  let index = (workgroup.y * workgroups.x + workgroup.x) * (64u / LANES) + local / LANES;
  let lane = local % LANES;
  let chunk = index / params.tokens;
  let token = index % params.tokens;
  // Beyond the last chunk there is nothing to read or write, but barriers to take part in.
  let exists = chunk < params.chunks;
  let chunk4 = select(0u, params.chunk / 4u, exists);
  let first = chunk * params.chunk;
  var highest = vec4f(-3.0e38);
  for (var r4 = lane; r4 < chunk4; r4 += LANES) {
    for (var row = first + r4 * 4u; row < min(first + r4 * 4u + 4u, params.rows); row++) {
      highest = max(highest, scores[row * params.tokens + token]);
    }
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
  let base = (chunk * params.tokens + token) * 4u * chunk4;
  for (var r4 = lane; r4 < chunk4; r4 += LANES) {
    var four = mat4x4f();
    for (var r = 0u; r < 4u; r++) {
      let row = first + r4 * 4u + r;
      if (row < params.rows) {
        four[r] = exp(scores[row * params.tokens + token] - highest);
        sum += four[r];
      }
    }
    let heads = transpose(four);
    for (var head = 0u; head < 4u; head++) {
      weights[base + head * chunk4 + r4] = heads[head];
    }
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
  if (exists && lane == 0u) {
    for (var head = 0u; head < 4u; head++) {
      let slot = ((params.first_chunk + chunk) * params.tokens + token) * 4u + head;
      statistics[slot] = vec2f(highest[head], sum[head]);
    }
  }
}
