// Bilinear resize: an invocation interpolates ${VEC} channel(s) of ${OUTPUTS} outputs of a row, whose vertical weights it shares.
struct Params {
  channels: u32,      // / ${VEC}
  in_height: u32,
  in_width: u32,
  out_height: u32,
  out_width: u32,
  strips: u32,        // ceil(out_width / OUTPUTS)
  scale_y: f32,
  scale_x: f32,
  centre: f32,        // 0 when corners are aligned, else 0.5: where in a pixel its sample lies
}

#if VEC == 4
alias T = vec4f;
#else
alias T = f32;
#endif

@group(0) @binding(auto) var<storage, read> x: array<T>;
#if RESIDUAL
@group(0) @binding(auto) var<storage, read> residual: array<T>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<T>;
@group(0) @binding(auto) var<uniform> params: Params;

fn source(position: u32, scale: f32) -> f32 {
  return max((f32(position) + params.centre) * scale - params.centre, 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let id = invocation.y * workgroups.x * 64u + invocation.x;
  let channel = id % params.channels;
  let strip = id / params.channels;
  let oy = strip / params.strips;
  if (oy >= params.out_height) {
    return;
  }
  let sy = source(oy, params.scale_y);
  let y0 = min(u32(sy), params.in_height - 1u);
  let fy = sy - f32(y0);
  let row0 = y0 * params.in_width * params.channels + channel;
  let row1 = min(y0 + 1u, params.in_height - 1u) * params.in_width * params.channels + channel;
  let first = strip % params.strips * ${OUTPUTS}u;
  let last = min(first + ${OUTPUTS}u, params.out_width);
  for (var ox = first; ox < last; ox++) {
    let sx = source(ox, params.scale_x);
    let x0 = min(u32(sx), params.in_width - 1u);
    let fx = sx - f32(x0);
    let left = x0 * params.channels;
    let right = min(x0 + 1u, params.in_width - 1u) * params.channels;
    let top = (1.0 - fx) * x[row0 + left] + fx * x[row0 + right];
    let bottom = (1.0 - fx) * x[row1 + left] + fx * x[row1 + right];
    let i = (oy * params.out_width + ox) * params.channels + channel;
#if RESIDUAL
    out[i] = (1.0 - fy) * top + fy * bottom + residual[i];
#else
    out[i] = (1.0 - fy) * top + fy * bottom;
#endif
  }
}
