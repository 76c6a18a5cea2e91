// Depth-wise convolution for any kernel: an invocation computes 4 channels of one output.
struct Params {
  c4: u32,            // channels / 4
  in_height: u32,
  in_width: u32,
  out_height: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  dilation: u32,
  pad_top: u32,
  pad_left: u32,
}

@group(0) @binding(auto) var<storage, read> x: array<vec4f>;
@group(0) @binding(auto) var<storage, read> weight: array<vec4f>;
#if BIAS
@group(0) @binding(auto) var<storage, read> bias: array<vec4f>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

#include "activation"

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let id = invocation.y * workgroups.x * 64u + invocation.x;
  let channel = id % params.c4;
  let pixel = id / params.c4;
  let oy = pixel / params.out_width;
  if (oy >= params.out_height) {
    return;
  }
  let ox = pixel % params.out_width;
#if BIAS
  var acc = bias[channel];
#else
  var acc = vec4f();
#endif
  for (var ky = 0u; ky < params.kernel_height; ky++) {
    let y = i32(oy * params.stride + ky * params.dilation) - i32(params.pad_top);
    if (y < 0 || y >= i32(params.in_height)) {
      continue;
    }
    for (var kx = 0u; kx < params.kernel_width; kx++) {
      let px = i32(ox * params.stride + kx * params.dilation) - i32(params.pad_left);
      if (px >= 0 && px < i32(params.in_width)) {
        let tap = ky * params.kernel_width + kx;
        acc += x[(u32(y) * params.in_width + u32(px)) * params.c4 + channel] * weight[tap * params.c4 + channel];
      }
    }
  }
  out[id] = activate(acc);
}
