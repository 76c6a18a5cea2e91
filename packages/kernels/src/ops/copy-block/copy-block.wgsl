// Copies a rectangle of one matrix into another.
struct Params {
  rows: u32,
  columns: u32,
  x_stride: u32,
  x_offset: u32,
  out_stride: u32,
  out_offset: u32,
}

#if SAME
// Within one matrix; WebGPU does not let a buffer be bound for reading and for writing at once.
#else
@group(0) @binding(auto) var<storage, read> x: array<${TYPE}>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<${TYPE}>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index / params.columns;
  let column = index % params.columns;
  let source = row * params.x_stride + params.x_offset + column;
#if SAME
  out[row * params.out_stride + params.out_offset + column] = out[source];
#else
  out[row * params.out_stride + params.out_offset + column] = x[source];
#endif
}
