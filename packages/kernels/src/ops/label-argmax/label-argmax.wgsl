// Labels at the size of the video from maps of shares: bilinear interpolation and argmax for each output pixel.
struct Params {
  in_width: u32,
  in_height: u32,
  out_width: u32,
  out_height: u32,
  scale_x: f32,
  scale_y: f32,
  shift: f32,        // 0.5 for half-pixel centres, 0 for aligned corners
  channels4: u32,
  classes: u32,
}

@group(0) @binding(auto) var<storage, read> maps: array<vec4f>;   // [in_height][in_width][channels4]
@group(0) @binding(auto) var<storage, read_write> labels: array<i32>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (pixel >= params.out_width * params.out_height) {
    return;
  }
  let x = max((f32(pixel % params.out_width) + params.shift) * params.scale_x - params.shift, 0.0);
  let y = max((f32(pixel / params.out_width) + params.shift) * params.scale_y - params.shift, 0.0);
  let x0 = min(u32(x), params.in_width - 1u);
  let y0 = min(u32(y), params.in_height - 1u);
  let x1 = min(x0 + 1u, params.in_width - 1u);
  let y1 = min(y0 + 1u, params.in_height - 1u);
  let fx = x - f32(x0);
  let fy = y - f32(y0);
  let top_left = (y0 * params.in_width + x0) * params.channels4;
  let top_right = (y0 * params.in_width + x1) * params.channels4;
  let bottom_left = (y1 * params.in_width + x0) * params.channels4;
  let bottom_right = (y1 * params.in_width + x1) * params.channels4;
  var best = -3.0e38;
  var label = 0u;
  for (var v = 0u; v < params.channels4; v++) {
    let top = (1.0 - fx) * maps[top_left + v] + fx * maps[top_right + v];
    let bottom = (1.0 - fx) * maps[bottom_left + v] + fx * maps[bottom_right + v];
    let value = (1.0 - fy) * top + fy * bottom;
#unroll c 0 4
    if (v * 4u + ${c}u < params.classes && value[$c] > best) {
      best = value[$c];
      label = v * 4u + ${c}u;
    }
#endunroll
  }
  labels[pixel] = i32(label);
}
