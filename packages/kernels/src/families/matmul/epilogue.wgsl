// Epilogue of four neighbouring columns of a row, as many of them as exist. Loops whose lengths no compiler can guess:
// unrolled, they would be most of the program.
fn store(batch: u32, row: u32, first_column: u32, product: vec4f) {
  let out_base = batch * params.out_batch;
  let source_row = out_base + (params.out_row0 + row) * params.n;
  let target_row = out_base + (params.out_row0 + row) * params.out_stride + params.out_offset;
  let end_column = min(first_column + 4u, params.n);
  var value = product * params.alpha;
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
