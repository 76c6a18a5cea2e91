// Shifted-window attention without barriers: a workgroup takes up to 64 queries of one window and head, an invocation owns
// a query and walks over the window's keys with a running softmax. Keys and values are at the same address for the whole
// workgroup, which every adapter serves with one load.
//
// The padded and shifted image exists only as index arithmetic: position (y, x) of the window grid is the token
// ((y + shift) mod grid_height, (x + shift) mod grid_width), or, outside the image, one whose query, key and value are
// the bias of the projection.
struct Params {
  height: u32,
  width: u32,
  windows_x: u32,
  grid_height: u32,     // height and width rounded up to whole windows
  grid_width: u32,
  window: u32,
  shift: u32,
  c4: u32,              // channels / 4
  scale: f32,
}

@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(1) var<storage, read> qkv_bias: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias_table: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(4) var<uniform> params: Params;

const MASKED = -100.0;

// Which of three bands along an axis a position of the shifted grid came from; 0 in unshifted windows.
fn band(position: u32, grid: u32) -> u32 {
  return select(0u, 1u, params.shift > 0u && position >= grid - params.window) +
    select(0u, 1u, params.shift > 0u && position >= grid - params.shift);
}

// The position in the image, or one outside it.
fn unshifted(position: u32, grid: u32) -> u32 {
  let moved = position + params.shift;
  return select(moved, moved - grid, moved >= grid);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let window = params.window;
  let head = workgroup.y;
  let head4 = head * ${HEAD4}u;
  let top = workgroup.x / params.windows_x * window;
  let left = workgroup.x % params.windows_x * window;
  let query = workgroup.z * 64u + local;
  let qy = query / window;
  let qx = query % window;
  let y = unshifted(top + qy, params.grid_height);
  let x = unshifted(left + qx, params.grid_width);
  if (qy >= window || y >= params.height || x >= params.width) {
    return;
  }
  let token = y * params.width + x;
  let band_y = band(top + qy, params.grid_height);
  let band_x = band(left + qx, params.grid_width);
  let q_base = token * 3u * params.c4 + head4;
#unroll d 0 HEAD4
  let q$d = qkv[q_base + ${d}u] * params.scale;
  var o$d = vec4f();
#endunroll
  var highest = -1e30;
  var total = 0.0;
  for (var ky = 0u; ky < window; ky++) {
    let key_y = unshifted(top + ky, params.grid_height);
    let same_y = band(top + ky, params.grid_height) == band_y;
    let table_row = (qy + window - 1u - ky) * (2u * window - 1u) + qx + window - 1u;
    for (var kx = 0u; kx < window; kx++) {
      let key_x = unshifted(left + kx, params.grid_width);
#unroll d 0 HEAD4
      var k$d = vec4f();
      var v$d = vec4f();
#endunroll
      if (key_y < params.height && key_x < params.width) {
        let k_base = (key_y * params.width + key_x) * 3u * params.c4 + params.c4 + head4;
        let v_base = k_base + params.c4;
#unroll d 0 HEAD4
        k$d = qkv[k_base + ${d}u];
        v$d = qkv[v_base + ${d}u];
#endunroll
      } else {
        let k_base = params.c4 + head4;
        let v_base = k_base + params.c4;
#unroll d 0 HEAD4
        k$d = qkv_bias[k_base + ${d}u];
        v$d = qkv_bias[v_base + ${d}u];
#endunroll
      }
      var products = vec4f();
#unroll d 0 HEAD4
      products += q$d * k$d;
#endunroll
      var score = dot(products, vec4f(1.0)) + bias_table[(table_row - kx) * workgroups.y + head];
      if (!(same_y && band(left + kx, params.grid_width) == band_x)) {
        score += MASKED;
      }
      let peak = max(highest, score);
      let fade = exp(highest - peak);
      let share = exp(score - peak);
      highest = peak;
      total = total * fade + share;
#unroll d 0 HEAD4
      o$d = o$d * fade + share * v$d;
#endunroll
    }
  }
  let out_base = token * params.c4 + head4;
#unroll d 0 HEAD4
  out[out_base + ${d}u] = o$d / total;
#endunroll
}
