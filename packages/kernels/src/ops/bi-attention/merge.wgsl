// Joins the chunks' weighted sums, each relative to its own greatest score, into means over the whole image.
struct Params {
  chunks: u32,
  columns: u32,       // text tokens * heads
  channels4: u32,
}

@group(0) @binding(auto) var<storage, read> sums: array<vec4f>;
@group(0) @binding(auto) var<storage, read> statistics: array<vec2f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = invocation.y * workgroups.x * 64u + invocation.x;
  let column = index / params.channels4;
  if (column >= params.columns) {
    return;
  }
  var highest = -3.0e38;
  for (var c = 0u; c < params.chunks; c++) {
    highest = max(highest, statistics[c * params.columns + column].x);
  }
  var total = 0.0;
  var sum = vec4f();
  for (var c = 0u; c < params.chunks; c++) {
    let chunk = statistics[c * params.columns + column];
    let scale = exp(chunk.x - highest);
    total += scale * chunk.y;
    sum += scale * sums[c * params.columns * params.channels4 + index];
  }
  out[index] = sum / total;
}
