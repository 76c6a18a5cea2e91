export {
  type CompressedRle,
  compressRle,
  decodeRle,
  decompressRle,
  encodeRle,
  labelMapToRles,
  type Rle,
  rleArea,
  rleBox,
} from '@samtrack/models/masks';
