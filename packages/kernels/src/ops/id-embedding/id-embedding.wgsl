// Identity embedding straight from a label map. The convolution of a one-hot map is a sum of one weight vector a tap; along
// a row of the kernel, labels come in runs, and a run costs two vectors of the running sums of the weights instead of one
// vector a tap.
struct Params {
  label_width: u32,
  label_height: u32,
  net_width: u32,
  net_height: u32,
  scale_x: f32,
  scale_y: f32,
  out_width: u32,
  positions: u32,
  kernel: u32,
  stride: u32,
  padding: u32,
  first_id: i32,     // the label that is class 1
  classes: i32,
}

@group(0) @binding(auto) var<storage, read> labels: array<i32>;
@group(0) @binding(auto) var<storage, read> sums: array<vec4f>;   // [class][kernel row][kernel + 1][CHANNELS4]
@group(0) @binding(auto) var<storage, read> bias: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

fn class_at(row_start: u32, x: u32) -> i32 {
  let source_x = min(u32(floor(f32(x) * params.scale_x)), params.label_width - 1u);
  let id = labels[row_start + source_x] - params.first_id + 1;
  return select(0, id, id > 0 && id < params.classes);
}

@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let position = workgroup.y * workgroups.x + workgroup.x;
  if (position >= params.positions) {
    return;
  }
  let origin_y = i32((position / params.out_width) * params.stride) - i32(params.padding);
  let origin_x = i32((position % params.out_width) * params.stride) - i32(params.padding);
  // Taps outside the map have no class at all, not even background.
  let first = u32(max(-origin_x, 0));
  let last = u32(clamp(i32(params.net_width) - origin_x, 0, i32(params.kernel)));
#unroll j 0 PER_LANE
  var acc$j = bias[lane + ${j * THREADS}u];
#endunroll
  for (var ky = 0u; ky < params.kernel; ky++) {
    let y = origin_y + i32(ky);
    if (y < 0 || y >= i32(params.net_height)) {
      continue;
    }
    let source_y = min(u32(floor(f32(y) * params.scale_y)), params.label_height - 1u);
    let row_start = source_y * params.label_width;
    var start = first;
    var current = class_at(row_start, u32(origin_x + i32(first)));
    for (var kx = first + 1u; kx <= last; kx++) {
      var next = -1;
      if (kx < last) {
        next = class_at(row_start, u32(origin_x + i32(kx)));
      }
      if (next != current) {
        let row = (u32(current) * params.kernel + ky) * (params.kernel + 1u);
#unroll j 0 PER_LANE
        acc$j += sums[(row + kx) * ${CHANNELS4}u + lane + ${j * THREADS}u] - sums[(row + start) * ${CHANNELS4}u + lane + ${j * THREADS}u];
#endunroll
        current = next;
        start = kx;
      }
    }
  }
#unroll j 0 PER_LANE
  out[position * ${CHANNELS4}u + lane + ${j * THREADS}u] = acc$j;
#endunroll
}
