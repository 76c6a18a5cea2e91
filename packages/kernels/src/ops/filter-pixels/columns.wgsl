// Columns of pixels, a word each, through a filter as in rows.wgsl; then every byte becomes a number by a table for each colour.
// What lies below or right of the picture in the frame is zero, and so is a fourth channel.
struct Params {
  width: u32,
  height: u32,
  frame_width: u32,
  frame_height: u32,
  taps: u32,
}

@group(0) @binding(auto) var<storage, read> pixels: array<u32>;
@group(0) @binding(auto) var<storage, read> rows: array<i32>;   // [height][first source row, their number, taps weights]
@group(0) @binding(auto) var<storage, read> table: array<f32>;  // [3][256]
#if CHANNELS == 4
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
#else
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;
#endif
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (index >= params.frame_width * params.frame_height) {
    return;
  }
  let x = index % params.frame_width;
  let y = index / params.frame_width;
  var value = vec3f();
  if (x < params.width && y < params.height) {
    let tap = y * (params.taps + 2u);
    let first = u32(rows[tap]) * params.width + x;
    var sum = vec3i(1 << 21u);
    for (var k = 0u; k < u32(rows[tap + 1u]); k++) {
      let word = pixels[first + k * params.width];
      sum += rows[tap + 2u + k] * vec3i(vec3u(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu));
    }
    let byte = vec3u(clamp(sum >> vec3u(22u), vec3i(), vec3i(255)));
    value = vec3f(table[byte.x], table[256u + byte.y], table[512u + byte.z]);
  }
#if CHANNELS == 4
  out[index] = vec4f(value, 0.0);
#else
  out[index * 3u] = value.x;
  out[index * 3u + 1u] = value.y;
  out[index * 3u + 2u] = value.z;
#endif
}
