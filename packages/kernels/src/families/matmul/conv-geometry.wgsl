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
