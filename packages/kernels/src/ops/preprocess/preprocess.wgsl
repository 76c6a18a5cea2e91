// From 8-bit RGBA pixels to a network's input: a resize whose result is an 8-bit image again, then (x / 255 - mean) / std.
// The fourth channel is zero. Bicubic: in the 11-bit fixed-point arithmetic of OpenCV. Area: the mean of the source pixels
// that an output pixel covers, those at its edges in part.
struct Params {
  in_width: u32,
  in_height: u32,
  out_width: u32,
  out_height: u32,
  mean_r: f32,
  mean_g: f32,
  mean_b: f32,
  std_r: f32,
  std_g: f32,
  std_b: f32,
}

@group(0) @binding(auto) var<storage, read> pixels: array<u32>;
#if METHOD == 'bicubic'
@group(0) @binding(auto) var<storage, read> columns: array<i32>;   // [out_width][first source column, 4 weights of 2048]
@group(0) @binding(auto) var<storage, read> rows: array<i32>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

fn load(y: i32, x: i32) -> vec3i {
  let row = u32(clamp(y, 0, i32(params.in_height) - 1));
  let column = u32(clamp(x, 0, i32(params.in_width) - 1));
  let packed = pixels[row * params.in_width + column];
  return vec3i(vec3u(packed & 0xffu, (packed >> 8u) & 0xffu, (packed >> 16u) & 0xffu));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (pixel >= params.out_width * params.out_height) {
    return;
  }
  let x = pixel % params.out_width;
  let y = pixel / params.out_width;
#if METHOD == 'bicubic'
  var sum = vec3i();
  for (var i = 0u; i < 4u; i++) {
    var row_sum = vec3i();
    for (var j = 0u; j < 4u; j++) {
      row_sum += columns[x * 5u + 1u + j] * load(rows[y * 5u] + i32(i), columns[x * 5u] + i32(j));
    }
    sum += rows[y * 5u + 1u + i] * row_sum;
  }
  let value = clamp((sum + vec3i(1 << 21u)) >> vec3u(22u), vec3i(), vec3i(255));
#elif METHOD == 'area'
  let step_x = f32(params.in_width) / f32(params.out_width);
  let step_y = f32(params.in_height) / f32(params.out_height);
  let left = f32(x) * step_x;
  let top = f32(y) * step_y;
  let right = min(left + step_x, f32(params.in_width));
  let bottom = min(top + step_y, f32(params.in_height));
  var sum = vec3f();
  for (var row = i32(floor(top)); row < i32(ceil(bottom)); row++) {
    let height = min(bottom, f32(row + 1)) - max(top, f32(row));
    var row_sum = vec3f();
    for (var column = i32(floor(left)); column < i32(ceil(right)); column++) {
      row_sum += (min(right, f32(column + 1)) - max(left, f32(column))) * vec3f(load(row, column));
    }
    sum += height * row_sum;
  }
  let value = vec3i(floor(sum / ((right - left) * (bottom - top)) + 0.5));
#else
  let value = load(i32(y), i32(x));
#endif
  let mean = vec3f(params.mean_r, params.mean_g, params.mean_b);
  let deviation = vec3f(params.std_r, params.std_g, params.std_b);
  out[pixel] = vec4f((vec3f(value) / 255.0 - mean) / deviation, 0.0);
}
