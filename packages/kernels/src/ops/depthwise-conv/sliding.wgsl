// Depth-wise convolution for small kernels: an invocation computes 4 channels of ${OUTPUTS} neighbouring outputs of a row, and
// loads each input of their common window once a kernel row.
struct Params {
  c4: u32,            // channels / 4
  in_height: u32,
  in_width: u32,
  out_height: u32,
  out_width: u32,
  strips: u32,        // ceil(out_width / OUTPUTS)
  kernel_height: u32,
  pad_top: u32,
  pad_left: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
#if BIAS
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
#endif
@group(0) @binding(${OUT_BINDING}) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(${OUT_BINDING + 1}) var<uniform> params: Params;

#include "activation"

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let id = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  let channel = id % params.c4;
  let strip = id / params.c4;
  let oy = strip / params.strips;
  if (oy >= params.out_height) {
    return;
  }
  let ox = strip % params.strips * ${OUTPUTS}u;
  let x0 = i32(ox * ${STRIDE}u) - i32(params.pad_left);
#unroll i 0 OUTPUTS
#if BIAS
  var acc$i = bias[channel];
#else
  var acc$i = vec4f();
#endif
#endunroll
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    let y = i32(oy * ${STRIDE}u + ky * ${DILATION}u) - i32(params.pad_top);
    if (y < 0 || y >= i32(params.in_height)) {
      continue;
    }
    let row = u32(y) * params.in_width;
    let tap = ky * ${KERNEL}u * params.c4 + channel;
#unroll k 0 KERNEL
    let w$k = weight[tap + ${k}u * params.c4];
#endunroll
#unroll j 0 WINDOW
    let v$j = load(row, x0 + ${j}, channel);
#endunroll
#unroll i 0 OUTPUTS
#unroll k 0 KERNEL
    acc$i += v${i * STRIDE + k * DILATION} * w$k;
#endunroll
#endunroll
  }
  let base = (oy * params.out_width + ox) * params.c4 + channel;
#unroll i 0 OUTPUTS
  if (ox + ${i}u < params.out_width) {
    out[base + ${i}u * params.c4] = activate(acc$i);
  }
#endunroll
}

fn load(row: u32, x_position: i32, channel: u32) -> vec4f {
  let inside = x_position >= 0 && x_position < i32(params.in_width);
  return select(vec4f(), x[(row + u32(clamp(x_position, 0, i32(params.in_width) - 1))) * params.c4 + channel], inside);
}
