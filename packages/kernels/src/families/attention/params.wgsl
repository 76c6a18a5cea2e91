// Geometry of the attention kernels that take a key at a time or a tile of them out of workgroup memory.
struct Params {
  scale: f32,
  grid_height: u32,     // the keys, row by row; one row where they are no grid
  grid_width: u32,
#if RELATIVE
  relative_stride: u32, // terms of one query and head: rows, then columns
  relative_columns: u32,
#endif
  queries: u32,
#include "operands"
  mask_stride: u32,     // 0 where one row of the mask serves every query
}
