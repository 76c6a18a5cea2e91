  query_stride4: u32,   // row lengths, first columns and distances between batches, / 4
  key_stride4: u32,
  value_stride4: u32,
  query_offset4: u32,
  key_offset4: u32,
  value_offset4: u32,
  query_batch4: u32,    // 0 where one operand serves every batch
  key_batch4: u32,
  value_batch4: u32,
