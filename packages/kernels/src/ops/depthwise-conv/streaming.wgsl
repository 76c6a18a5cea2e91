// Depth-wise convolution for small kernels: an invocation walks along a strip of outputs of one row, for 4 channels. Every
// input column is loaded once and added to each output it belongs to; the unfinished outputs form a queue, of which the
// oldest leaves at every step. The weights stay in registers.
struct Params {
  c4: u32,            // channels / 4
  in_height: u32,
  in_width: u32,
  out_height: u32,
  out_width: u32,
  strip: u32,         // outputs of a strip
  strips: u32,        // strips of a row
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
  let strip = id / params.c4;
  let oy = strip / params.strips;
  if (oy >= params.out_height) {
    return;
  }
  let first = strip % params.strips * params.strip;
  let steps = min(params.strip, params.out_width - first) + ${QUEUE}u;
#unroll r 0 HEIGHT
  let y$r = i32(oy * ${STRIDE}u + ${r * DILATION}u) - i32(params.pad_top);
  let inside$r = y$r >= 0 && y$r < i32(params.in_height);
  let row$r = u32(clamp(y$r, 0, i32(params.in_height) - 1)) * params.in_width * params.c4 + channel;
#unroll k 0 WIDTH
  // Rows outside the image weigh nothing.
  let w${r}_$k = select(vec4f(), weight[${r * WIDTH + k}u * params.c4 + channel], inside$r);
#endunroll
#endunroll
#if BIAS
  let start = bias[channel];
#else
  let start = vec4f();
#endif
#unroll q 0 QUEUE+1
  // The output that is $q steps old.
  var sum$q = start;
#endunroll
  var column = i32(first * ${STRIDE}u) - i32(params.pad_left);
  var target_index = (oy * params.out_width + first) * params.c4 + channel;
  for (var step = 0u; step < steps; step++) {
#unroll s 0 STRIDE
    if (column >= 0 && column < i32(params.in_width)) {
      let offset = u32(column) * params.c4;
#unroll r 0 HEIGHT
      let v$r = x[row$r + offset];
#unroll k 0 WIDTH
#if (k * DILATION - s) % STRIDE == 0
      sum${(k * DILATION - s) / STRIDE} += v$r * w${r}_$k;
#endif
#endunroll
#endunroll
    }
    column++;
#endunroll
    if (step >= ${QUEUE}u) {
      out[target_index] = activate(sum$QUEUE);
      target_index += params.c4;
    }
#unroll q 0 QUEUE
    sum${QUEUE - q} = sum${QUEUE - q - 1};
#endunroll
    sum0 = start;
  }
}
