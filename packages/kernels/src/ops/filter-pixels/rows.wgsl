// Rows of 8-bit pixels through a filter, in 22-bit fixed point: sums of neighbours with weights that belong to the output column,
// rounded and cut to 8 bits. Grey, RGB and RGBA lie byte by byte; the result has a word a pixel, alpha left out.
struct Params {
  in_width: u32,
  height: u32,
  width: u32,
  taps: u32,
}

@group(0) @binding(auto) var<storage, read> pixels: array<u32>;
@group(0) @binding(auto) var<storage, read> columns: array<i32>;   // [width][first source column, their number, taps weights]
@group(0) @binding(auto) var<storage, read_write> out: array<u32>;
@group(0) @binding(auto) var<uniform> params: Params;

fn load(pixel: u32) -> vec3i {
#if CHANNELS == 4
  let word = pixels[pixel];
#elif CHANNELS == 3
  let byte = pixel * 3u;
  let shift = (byte & 3u) * 8u;
  var word = pixels[byte >> 2u] >> shift;
  if (shift > 8u) {
    word |= pixels[(byte >> 2u) + 1u] << (32u - shift);
  }
#else
  let word = ((pixels[pixel >> 2u] >> ((pixel & 3u) * 8u)) & 0xffu) * 0x10101u;
#endif
  return vec3i(vec3u(word & 0xffu, (word >> 8u) & 0xffu, (word >> 16u) & 0xffu));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (index >= params.width * params.height) {
    return;
  }
  let x = index % params.width;
  let y = index / params.width;
  let tap = x * (params.taps + 2u);
  let first = y * params.in_width + u32(columns[tap]);
  var sum = vec3i(1 << 21u);
  for (var k = 0u; k < u32(columns[tap + 1u]); k++) {
    sum += columns[tap + 2u + k] * load(first + k);
  }
  let value = vec3u(clamp(sum >> vec3u(22u), vec3i(), vec3i(255)));
  out[index] = value.x | (value.y << 8u) | (value.z << 16u);
}
