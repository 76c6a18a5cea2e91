// Epilogue of four neighbouring columns, vector `column` of a row; nothing happens to rows beyond the last.
fn store(batch: u32, row: u32, column: u32, product: vec4f) {
  if (row >= params.m) {
    return;
  }
  let target_row = params.out_row0 + row;
  var value = product * params.alpha;
#if BIAS
  value += bias[column];
#endif
  value = activate(value);
#if GATE
  value *= gate[batch * params.out_batch4 + target_row * params.n4 + column];
#endif
#if RESIDUAL
  value += residual[batch * params.out_batch4 + target_row * params.n4 + column];
#endif
#if FINAL_RELU
  value = max(value, vec4f());
#endif
  out[batch * params.out_batch4 + target_row * params.out_stride4 + params.out_offset4 + column] = value;
}
