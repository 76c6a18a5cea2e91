// Matrix product for GPUs: invocations share tiles of A and B in workgroup memory as vectors of 4, each owns TM x TN
// outputs. For 4 steps of the inner dimension an invocation reads TM + TN vectors and does 4 * TM * TN multiply-adds.
#if PARTS > 1
// Each batch is PARTS workgroups deep, which share the inner dimension and write a part of the sum each.
#endif
#include "vector-operands"
#include "activation"
#include "vector-epilogue"

const THREADS = ${WX * WY}u;
const TILE_M = ${WY * TM}u;
const TILE_N4 = ${WX * TN / 4}u;
const TILE_K4 = ${TK / 4}u;

var<workgroup> a_tile: array<vec4f, ${WY * TM * TK / 4}>;
var<workgroup> b_tile: array<vec4f, ${TK * WX * TN / 4}>;

#include "vector-load-a"

@compute @workgroup_size(${WX}, ${WY})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_id) id: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let row0 = workgroup.x * TILE_M;
  let tile_column = workgroup.y * TILE_N4;
#if CONV
  let length = params.k4 * params.kernel_height * params.kernel_width;
#else
  let length = params.k4;
#endif
#if PARTS > 1
  let batch = workgroup.z / ${PARTS}u;
  let share = (length + ${PARTS * TK / 4 - 1}u) / ${PARTS * TK / 4}u * TILE_K4;
  let begin = workgroup.z % ${PARTS}u * share;
  let end = min(begin + share, length);
#else
  let batch = workgroup.z;
  let begin = 0u;
  let end = length;
#endif
#unroll i 0 TM
#unroll j 0 TN/4
  var acc${i}_${j} = vec4f();
#endunroll
#endunroll
  for (var k0 = begin; k0 < end; k0 += TILE_K4) {
#unroll l 0 WY*TM*TK/4/WX/WY
    {
      let e = local + ${l * WX * WY}u;
      a_tile[e] = load_a(batch, row0 + e / TILE_K4, k0 + e % TILE_K4, end);
    }
#endunroll
#unroll l 0 TK*TN/4/WY
    {
      let e = local + ${l * WX * WY}u;
      let row = k0 * 4u + e / TILE_N4;
      let column = tile_column + e % TILE_N4;
      b_tile[e] = select(vec4f(), load_b(batch * params.b_batch4 + row * params.b_stride4 + column), row < end * 4u && column < params.n4);
    }
#endunroll
    workgroupBarrier();
    // The condition on the sum keeps software rasterisers from unrolling this whole, which would take them seconds.
    for (var k = 0u; k < TILE_K4 && k0 + k < end; k += ${8 / TM}u) {
#unroll u 0 8/TM
      {
#unroll q 0 4
#unroll j 0 TN/4
        let b${q}_${j} = b_tile[((k + ${u}u) * 4u + ${q}u) * TILE_N4 + ${j * WX}u + id.x];
#endunroll
#endunroll
#unroll i 0 TM
        let a$i = a_tile[(id.y * ${TM}u + ${i}u) * TILE_K4 + k + ${u}u];
#unroll j 0 TN/4
        acc${i}_${j} = fma(vec4f(a$i.w), b3_$j, fma(vec4f(a$i.z), b2_$j, fma(vec4f(a$i.y), b1_$j, fma(vec4f(a$i.x), b0_$j, acc${i}_${j}))));
#endunroll
#endunroll
      }
#endunroll
    }
    workgroupBarrier();
  }
  let first_row = row0 + id.y * ${TM}u;
  let end_row = min(first_row + ${TM}u, params.m);
  // A loop, so that the epilogue is in the program once.
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
    let column$j = tile_column + ${j * WX}u + id.x;
    if (column$j < params.n4) {
      store(workgroup.z, row, column$j, sum$j);
    }
#endunroll
  }
}
