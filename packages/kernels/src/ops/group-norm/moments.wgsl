// First of three passes of group normalisation: an invocation runs Welford's recurrence over one chunk of positions for
// 4 channels, merges the 4 and leaves (mean, sum of squared differences) of them.
struct Params {
  positions: u32,
  c4: u32,          // channels / 4
  chunk: u32,       // positions of a chunk; the last one may be shorter
  chunks: u32,
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> moments: array<vec2f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.c4 * params.chunks) {
    return;
  }
  let channel = id.x % params.c4;
  let chunk = id.x / params.c4;
  let first = chunk * params.chunk;
  let last = min(first + params.chunk, params.positions);
  var mean = vec4f();
  var squares = vec4f();
  for (var p = first; p < last; p++) {
    let value = x[p * params.c4 + channel];
    let d = value - mean;
    mean += d / f32(p - first + 1u);
    squares += d * (value - mean);
  }
  let joint = dot(mean, vec4f(0.25));
  let d = mean - joint;
  moments[id.x] = vec2f(joint, dot(squares, vec4f(1.0)) + f32(last - first) * dot(d, d));
}
