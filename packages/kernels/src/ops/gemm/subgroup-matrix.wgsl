// Matrix product on matrix units: chromium_experimental_subgroup_matrix, 16x16x16, f16 operands, f32 sums. The operands are
// rounded to f16 in workgroup memory, so results have f16's precision of the inputs (a relative 5e-4 of each, and nothing
// above 65504): never selected, only used where the caller asks for it.
//
// Four subgroups share tiles of 64x32 of A and 32x64 of B and own a quarter of the 64x64 outputs each, 2x2 matrices. All
// bounds are handled on the way into and out of workgroup memory. No subgroup arithmetic: a driver is known to crash when a
// module has both (kvark/blade 33). Compiled on Dawn's null backend only: no adapter with the feature has run it yet.
enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
// The subgroup's number is uniform within it, but the analysis cannot know.
diagnostic(off, chromium.subgroup_matrix_uniformity);

#include "operands"
#include "activation"
#include "epilogue"

const TILE = 64u;
const TILE_K = 32u;
const THREADS = ${4 * SG}u;

var<workgroup> a_tile: array<f16, 2048>;
var<workgroup> b_tile: array<f16, 2048>;
// One matrix of each subgroup at a time.
var<workgroup> out_tile: array<f32, 1024>;

@compute @workgroup_size(${4 * SG})
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(local_invocation_index) local: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let row0 = workgroup.x * TILE;
  let column0 = workgroup.y * TILE;
  let batch = workgroup.z;
  // This subgroup's quarter of the tile.
  let quarter_row = (subgroup / 2u) * 32u;
  let quarter_column = (subgroup % 2u) * 32u;
#unroll i 0 2
#unroll j 0 2
  var acc${i}_${j} = subgroup_matrix_result<f32, 16, 16>();
#endunroll
#endunroll
  for (var k0 = 0u; k0 < params.k; k0 += TILE_K) {
    for (var i = local; i < TILE * TILE_K; i += THREADS) {
      a_tile[i] = f16(load_a(batch, row0 + i / TILE_K, k0 + i % TILE_K));
      b_tile[i] = f16(load_b(batch, k0 + i / TILE, column0 + i % TILE));
    }
    workgroupBarrier();
    for (var k = 0u; k < TILE_K; k += 16u) {
#unroll i 0 2
      let a$i = subgroupMatrixLoad<subgroup_matrix_left<f16, 16, 16>, row_major>(&a_tile, (quarter_row + ${i * 16}u) * TILE_K + k, TILE_K);
#endunroll
#unroll j 0 2
      let b$j = subgroupMatrixLoad<subgroup_matrix_right<f16, 16, 16>, row_major>(&b_tile, k * TILE + quarter_column + ${j * 16}u, TILE);
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
    let row = row0 + (quarter / 2u) * 32u + ${i * 16}u + (e % 64u) / 4u;
    if (row < params.m) {
      let sum = vec4f(out_tile[4u * e], out_tile[4u * e + 1u], out_tile[4u * e + 2u], out_tile[4u * e + 3u]);
      store(batch, row, column0 + (quarter % 2u) * 32u + ${j * 16}u + (e % 4u) * 4u, sum);
    }
  }
  workgroupBarrier();
#endunroll
#endunroll
}
