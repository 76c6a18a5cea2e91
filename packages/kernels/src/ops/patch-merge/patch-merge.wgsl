// Patch merging: an invocation copies 4 channels of one of the four pixels that become one.
struct Params {
  c4: u32,            // channels / 4
  in_height: u32,
  in_width: u32,
  out_width: u32,
  count4: u32,        // elements of the output / 4
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let id = invocation.y * workgroups.x * 64u + invocation.x;
  if (id >= params.count4) {
    return;
  }
  let quarter = id / params.c4;
  let token = quarter / 4u;
  // Quarters are (even row, even column), (odd, even), (even, odd), (odd, odd): the row changes first.
  let y = token / params.out_width * 2u + quarter % 2u;
  let px = token % params.out_width * 2u + quarter / 2u % 2u;
  var value = vec4f();
  if (y < params.in_height && px < params.in_width) {
    value = x[(y * params.in_width + px) * params.c4 + id % params.c4];
  }
  out[id] = value;
}
