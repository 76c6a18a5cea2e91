// Matrix product for GPUs, and for every shape: 16x16 invocations share tiles of A and B in workgroup memory, each owns
// TM x TN outputs. Scalar loads with bounds checks, so that no dimension needs to be a multiple of anything.
struct Params {
  m: u32,
  n: u32,
  k: u32,             // inner length (kernel_height * kernel_width * channels of a convolution)
  b_stride: u32,
  a_stride: u32,
  a_offset: u32,
  out_stride: u32,
  out_offset: u32,
  out_row0: u32,      // first row of the target; gate and residual are indexed like the target
  alpha: f32,
  a_batch: u32,
  b_batch: u32,
  out_batch: u32,
#if CONV
  in_height: u32,
  in_width: u32,
  out_width: u32,
  kernel_height: u32,
  kernel_width: u32,
  stride: u32,
  dilation: u32,
  pad_top: u32,
  pad_left: u32,
#endif
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
#if BIAS
@group(0) @binding(${BIAS_BINDING}) var<storage, read> bias: array<f32>;
#endif
#if GATE
@group(0) @binding(${GATE_BINDING}) var<storage, read> gate: array<f32>;
#endif
#if RESIDUAL
@group(0) @binding(${RESIDUAL_BINDING}) var<storage, read> residual: array<f32>;
#endif
@group(0) @binding(${OUT_BINDING}) var<storage, read_write> out: array<f32>;
@group(0) @binding(${PARAMS_BINDING}) var<uniform> params: Params;

#include "activation"

const TILE_M = ${16 * TM}u;
const TILE_N = ${16 * TN}u;
const TILE_K = 16u;

// One element more a row keeps the transposed stores of A in different banks.
var<workgroup> a_tile: array<f32, ${16 * (16 * TM + 1)}>;
var<workgroup> b_tile: array<vec4f, ${16 * 4 * TN}>;

fn load_a(batch: u32, row: u32, k: u32) -> f32 {
  if (row >= params.m || k >= params.k) {
    return 0.0;
  }
#if CONV
  let channels = params.k / (params.kernel_height * params.kernel_width);
  let tap = k / channels;
  let y = i32((row / params.out_width) * params.stride + (tap / params.kernel_width) * params.dilation) - i32(params.pad_top);
  let x = i32((row % params.out_width) * params.stride + (tap % params.kernel_width) * params.dilation) - i32(params.pad_left);
  if (y < 0 || y >= i32(params.in_height) || x < 0 || x >= i32(params.in_width)) {
    return 0.0;
  }
  return a[batch * params.a_batch + (u32(y) * params.in_width + u32(x)) * params.a_stride + params.a_offset + k % channels];
#else
  return a[batch * params.a_batch + row * params.a_stride + params.a_offset + k];
#endif
}

fn load_b(batch: u32, k: u32, column: u32) -> f32 {
  if (k >= params.k || column >= params.n) {
    return 0.0;
  }
  return b[batch * params.b_batch + k * params.b_stride + column];
}

@compute @workgroup_size(16, 16)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row0 = workgroup.x * TILE_M;
  let column0 = workgroup.y * TILE_N;
  let batch = workgroup.z;
#unroll i 0 TM
#unroll j 0 TN/4
  var acc${i}_${j} = vec4f();
#endunroll
#endunroll
  for (var k0 = 0u; k0 < params.k; k0 += TILE_K) {
    for (var i = local; i < TILE_M * TILE_K; i += 256u) {
      a_tile[(i % TILE_K) * (TILE_M + 1u) + i / TILE_K] = load_a(batch, row0 + i / TILE_K, k0 + i % TILE_K);
    }
    for (var i = local; i < TILE_N / 4u * TILE_K; i += 256u) {
      let k = k0 + i / (TILE_N / 4u);
      let column = column0 + (i % (TILE_N / 4u)) * 4u;
      b_tile[i] = vec4f(load_b(batch, k, column), load_b(batch, k, column + 1u), load_b(batch, k, column + 2u), load_b(batch, k, column + 3u));
    }
    workgroupBarrier();
    // Unrolled by hand, with a condition that keeps compilers from unrolling it whole: a software rasteriser would spend
    // seconds on that.
    for (var k = 0u; k < TILE_K && k0 + k < params.k; k += ${16 / TM}u) {
#unroll u 0 16/TM
      {
#unroll j 0 TN/4
        let b$j = b_tile[(k + ${u}u) * (TILE_N / 4u) + ${j * 16}u + id.x];
#endunroll
#unroll i 0 TM
        let a$i = a_tile[(k + ${u}u) * (TILE_M + 1u) + id.y * ${TM}u + ${i}u];
#unroll j 0 TN/4
        acc${i}_${j} += a$i * b$j;
#endunroll
#endunroll
      }
#endunroll
    }
    workgroupBarrier();
  }
  // Loops whose lengths no compiler can guess: unrolled, the epilogue would be most of the program.
  let out_base = batch * params.out_batch;
  let first_row = row0 + id.y * ${TM}u;
  let end_row = min(first_row + ${TM}u, params.m);
  for (var row = first_row; row < end_row; row++) {
    let source_row = out_base + (params.out_row0 + row) * params.n;
    let target_row = out_base + (params.out_row0 + row) * params.out_stride + params.out_offset;
#unroll j 0 TN/4
    var sum$j = acc0_$j;
#endunroll
#unroll i 1 TM
    if (row == first_row + ${i}u) {
#unroll j 0 TN/4
      sum$j = acc${i}_${j};
#endunroll
    }
#endunroll
#unroll j 0 TN/4
    {
      let first_column = column0 + (${j * 16}u + id.x) * 4u;
      let end_column = min(first_column + 4u, params.n);
      var value = sum$j * params.alpha;
#if BIAS
      for (var column = first_column; column < end_column; column++) {
        value[column % 4u] += bias[column];
      }
#endif
      value = activate(value);
      for (var column = first_column; column < end_column; column++) {
        var element = value[column % 4u];
#if GATE
        element *= gate[source_row + column];
#endif
#if RESIDUAL
        element += residual[source_row + column];
#endif
#if FINAL_RELU
        element = max(element, 0.0);
#endif
        out[target_row + column] = element;
      }
    }
#endunroll
  }
}
