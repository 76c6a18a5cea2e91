// Max pooling: an invocation takes the maximum over one window for 4 channels. Coordinates outside the image are clamped to
// its edge, which lies in the window too, so that the padding never counts.
struct Params {
  c4: u32,            // channels / 4
  in_height: u32,
  in_width: u32,
  out_height: u32,
  out_width: u32,
  size: u32,
  stride: u32,
  padding: u32,
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

fn clamped(position: u32, limit: u32) -> u32 {
  return u32(clamp(i32(position) - i32(params.padding), 0, i32(limit) - 1));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let id = invocation.y * workgroups.x * 64u + invocation.x;
  let channel = id % params.c4;
  let pixel = id / params.c4;
  let oy = pixel / params.out_width;
  let ox = pixel % params.out_width;
  if (oy >= params.out_height) {
    return;
  }
  let y = oy * params.stride;
  let px = ox * params.stride;
  var best = x[(clamped(y, params.in_height) * params.in_width + clamped(px, params.in_width)) * params.c4 + channel];
  for (var ky = 0u; ky < params.size; ky++) {
    let row = clamped(y + ky, params.in_height) * params.in_width;
    for (var kx = 0u; kx < params.size; kx++) {
      best = max(best, x[(row + clamped(px + kx, params.in_width)) * params.c4 + channel]);
    }
  }
  out[id] = best;
}
