// Matrix product for every shape: 16x16 invocations share tiles of A and B in workgroup memory, each owns 4x4 outputs.
// Scalar loads with bounds checks, so that no dimension needs to be a multiple of anything.
#include "operands"
#include "activation"
#include "epilogue"

const TILE_M = ${16 * TM}u;
const TILE_N = ${16 * TN}u;
const TILE_K = 16u;

// One element more a row keeps the transposed stores of A in different banks.
var<workgroup> a_tile: array<f32, ${16 * (16 * TM + 1)}>;
var<workgroup> b_tile: array<vec4f, ${16 * 4 * TN}>;

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
  let first_row = row0 + id.y * ${TM}u;
  let end_row = min(first_row + ${TM}u, params.m);
  for (var row = first_row; row < end_row; row++) {
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
    store(batch, row, column0 + (${j * 16}u + id.x) * 4u, sum$j);
#endunroll
  }
}
