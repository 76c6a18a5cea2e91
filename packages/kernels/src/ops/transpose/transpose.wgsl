// Writes columns of a [rows, *] matrix as rows of a target, at an offset: how a frame's keys join a key memory.
struct Params {
  rows: u32,
  columns: u32,
  x_stride: u32,
  x_offset: u32,
  out_stride: u32,
  out_offset: u32,
}

@group(0) @binding(auto) var<storage, read> x: array<f32>;
@group(0) @binding(auto) var<storage, read_write> out: array<f32>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (index >= params.rows * params.columns) {
    return;
  }
  let row = index % params.rows;
  let column = index / params.rows;
  out[column * params.out_stride + params.out_offset + row] = x[row * params.x_stride + params.x_offset + column];
}
