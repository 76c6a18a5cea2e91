export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  type Rle,
  rleArea,
  rleBbox,
} from '@samtrack/models/masks';
