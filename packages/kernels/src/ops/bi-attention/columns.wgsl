// For each chunk of image tokens and each text token, all four heads at once: the greatest score, the sum of exponentials,
// and the exponentials themselves, transposed so that a matrix product can sum the image over them.
struct Params {
  rows: u32,          // image tokens of this block
  tokens: u32,        // text tokens
  chunk: u32,         // image tokens of a chunk, a multiple of 4
  chunks: u32,        // chunks of this block
  first_chunk: u32,   // chunks of earlier blocks
}

@group(0) @binding(0) var<storage, read> scores: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  let chunk = index / params.tokens;
  let token = index % params.tokens;
  if (chunk >= params.chunks) {
    return;
  }
  let first = chunk * params.chunk;
  let end = min(first + params.chunk, params.rows);
  var highest = vec4f(-3.0e38);
  for (var row = first; row < end; row++) {
    highest = max(highest, scores[row * params.tokens + token]);
  }
  var sum = vec4f();
  let chunk4 = params.chunk / 4u;
  let base = (chunk * params.tokens + token) * 4u * chunk4;
  for (var r4 = 0u; r4 < chunk4; r4++) {
    var four = mat4x4f();
    for (var r = 0u; r < 4u; r++) {
      let row = first + r4 * 4u + r;
      if (row < end) {
        four[r] = exp(scores[row * params.tokens + token] - highest);
        sum += four[r];
      }
    }
    let heads = transpose(four);
    for (var head = 0u; head < 4u; head++) {
      weights[base + head * chunk4 + r4] = heads[head];
    }
  }
  for (var head = 0u; head < 4u; head++) {
    let slot = ((params.first_chunk + chunk) * params.tokens + token) * 4u + head;
    statistics[slot] = vec2f(highest[head], sum[head]);
  }
}
