// activate(x + y), y repeated as often as x holds it.
struct Params {
  size: u32,      // elements of x / ${VEC}
  period: u32,    // elements of y / ${VEC}
}

#if VEC == 4
alias T = vec4f;
#else
alias T = f32;
#endif

@group(0) @binding(auto) var<storage, read> x: array<T>;
@group(0) @binding(auto) var<storage, read> y: array<T>;
@group(0) @binding(auto) var<storage, read_write> out: array<T>;
@group(0) @binding(auto) var<uniform> params: Params;

#include "activation"

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let i = invocation.y * workgroups.x * 64u + invocation.x;
  if (i >= params.size) {
    return;
  }
  let sum = x[i] + y[i % params.period];
#if VEC == 4
  out[i] = activate(sum);
#else
  out[i] = activate(vec4f(sum)).x;
#endif
}
