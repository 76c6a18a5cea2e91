// Matrix product on matrix units: chromium_experimental_subgroup_matrix, 16x16x16, f16 operands, f32 sums. The operands are
// rounded to f16 in workgroup memory, so results have f16's precision of the operands (a relative 5e-4 of each, and nothing
// above 65504): only used where the caller asks for it.
//
// Four subgroups share tiles of 64x32 of A and 32x64 of B and own a quarter of the 64x64 outputs each, 2x2 matrices. Rows of
// the tiles lie 8 elements further apart than they are long, in different banks. All bounds are handled on the way into and
// out of workgroup memory. No subgroup arithmetic: a driver is known to crash when a module has both (kvark/blade 33).
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
// The subgroup's number is uniform within it, but the analysis cannot know.
diagnostic(off, chromium.subgroup_matrix_uniformity);

#include "vector-operands"
#include "activation"
#include "vector-epilogue"
#include "vector-load-a"

const TILE = 64u;
const TILE_K = 32u;
const THREADS = ${4 * SG}u;
const A_STRIDE = TILE_K + 8u;
const B_STRIDE = TILE + 8u;

var<workgroup> a_tile: array<f16, 2560>;
var<workgroup> b_tile: array<f16, 2304>;
// One matrix of each subgroup at a time.
var<workgroup> out_tile: array<f32, 1024>;

@compute @workgroup_size(${4 * SG})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let row0 = workgroup.x * TILE;
  let column0 = workgroup.y * (TILE / 4u);
  let batch = workgroup.z;
#if CONV
  let end = params.k4 * params.kernel_height * params.kernel_width;
#else
  let end = params.k4;
#endif
  // This subgroup's quarter of the tile.
  let quarter_row = (subgroup / 2u) * 32u;
  let quarter_column = (subgroup % 2u) * 32u;
#unroll i 0 2
#unroll j 0 2
  var acc${i}_${j} = subgroup_matrix_result<f32, 16, 16>();
#endunroll
#endunroll
  for (var k0 = 0u; k0 < end; k0 += TILE_K / 4u) {
    // All loads are on their way before the first is needed.
#unroll l 0 128/SG
    let e$l = local + ${l}u * THREADS;
    let a_row$l = e$l / (TILE_K / 4u);
    let a_column$l = e$l % (TILE_K / 4u);
    let a_value$l = load_a(batch, row0 + a_row$l, k0 + a_column$l, end);
    let b_row$l = e$l / (TILE / 4u);
    let b_column$l = e$l % (TILE / 4u);
    let k_at$l = k0 * 4u + b_row$l;
    let column_at$l = column0 + b_column$l;
    let b_value$l = select(vec4f(), load_b(batch * params.b_batch4 + k_at$l * params.b_stride4 + column_at$l), k_at$l < end * 4u && column_at$l < params.n4);
#endunroll
#unroll l 0 128/SG
    let a_at$l = a_row$l * A_STRIDE + a_column$l * 4u;
    let b_at$l = b_row$l * B_STRIDE + b_column$l * 4u;
    let a_half$l = vec4<f16>(a_value$l);
    let b_half$l = vec4<f16>(b_value$l);
#unroll q 0 4
    a_tile[a_at$l + ${q}u] = a_half$l[${q}];
    b_tile[b_at$l + ${q}u] = b_half$l[${q}];
#endunroll
#endunroll
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k += 16u) {
#unroll i 0 2
      let a$i = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&a_tile, (quarter_row + ${i * 16}u) * A_STRIDE + k, A_STRIDE);
#endunroll
#unroll j 0 2
      let b$j = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, row_major>(&b_tile, k * B_STRIDE + quarter_column + ${j * 16}u, B_STRIDE);
#endunroll
#unroll i 0 2
#unroll j 0 2
      acc${i}_${j} = subgroupMatrixMultiplyAccumulate(a$i, b$j, acc${i}_${j});
#endunroll
#endunroll
    }
    workgroupBarrier();
  }
#unroll i 0 2
#unroll j 0 2
  subgroupMatrixStore<row_major>(&out_tile, subgroup * 256u, acc${i}_${j}, 16u);
  workgroupBarrier();
  for (var e = local; e < 256u; e += THREADS) {
    let quarter = e / 64u;
    let column = column0 + (quarter % 2u) * 8u + ${j * 4}u + e % 4u;
    if (column < params.n4) {
      let sum = vec4f(out_tile[4u * e], out_tile[4u * e + 1u], out_tile[4u * e + 2u], out_tile[4u * e + 3u]);
      store(batch, row0 + (quarter / 2u) * 32u + ${i * 16}u + e % 64u / 4u, column, sum);
    }
  }
  workgroupBarrier();
#endunroll
#endunroll
}
