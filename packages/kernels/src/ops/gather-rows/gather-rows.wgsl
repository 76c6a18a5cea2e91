// out[i] = x[rows[i]], or the fill where rows[i] is negative.
struct Params {
  size: u32,      // elements of out / ${VEC}
  columns: u32,   // elements of a row / ${VEC}
}

#if VEC == 4
alias T = vec4f;
#else
alias T = f32;
#endif

@group(0) @binding(auto) var<storage, read> x: array<T>;
@group(0) @binding(auto) var<storage, read> rows: array<i32>;
#if FILL
@group(0) @binding(auto) var<storage, read> fill: array<T>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<T>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let i = invocation.y * workgroups.x * 64u + invocation.x;
  if (i >= params.size) {
    return;
  }
  let column = i % params.columns;
  let row = rows[i / params.columns];
  if (row >= 0) {
    out[i] = x[u32(row) * params.columns + column];
  } else {
#if FILL
    out[i] = fill[column];
#else
    out[i] = T();
#endif
  }
}
