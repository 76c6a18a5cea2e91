// Dot products of upscaled features with a vector for each mask. An invocation owns the four pixels that one pixel of the
// step before became, so that it reads each mask's vector once for all of them.
struct Params {
  quads: u32,        // batch * height * width * 4
  height: u32,       // of the grid before both steps
  width: u32,
  c4: u32,           // channels / 4
}

@group(0) @binding(auto) var<storage, read> features: array<vec4f>;   // [batch][y][x][4][4][c4]
@group(0) @binding(auto) var<storage, read> vectors: array<vec4f>;    // [batch][MASKS][c4]
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;    // [batch][MASKS][4 height][4 width]
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let quad = invocation.y * workgroups.x * 64u + invocation.x;
  if (quad >= params.quads) {
    return;
  }
  let first = quad % 4u;
  let cell = quad / 4u;
  let grid = params.height * params.width;
  let image = cell / grid;
  let first_feature = quad * 4u * params.c4;
  let with_vector = image * ${MASKS}u * params.c4;
#unroll m 0 MASKS
  var sum$m = vec4f();
#endunroll
  for (var c = 0u; c < params.c4; c++) {
    let f0 = features[first_feature + c];
    let f1 = features[first_feature + params.c4 + c];
    let f2 = features[first_feature + 2u * params.c4 + c];
    let f3 = features[first_feature + 3u * params.c4 + c];
#unroll m 0 MASKS
    let v$m = vectors[with_vector + ${m}u * params.c4 + c];
    sum$m += vec4f(dot(f0, v$m), dot(f1, v$m), dot(f2, v$m), dot(f3, v$m));
#endunroll
  }
  let row_length = 4u * params.width;
  let y = (cell % grid / params.width * 2u + first / 2u) * 2u;
  let x = (cell % params.width * 2u + first % 2u) * 2u;
#unroll m 0 MASKS
  let at$m = ((image * ${MASKS}u + ${m}u) * 4u * params.height + y) * row_length + x;
  out[at$m] = sum$m.x;
  out[at$m + 1u] = sum$m.y;
  out[at$m + row_length] = sum$m.z;
  out[at$m + row_length + 1u] = sum$m.w;
#endunroll
}
