/** Segment Anything: names of Hugging Face transformers' `SamModel` to those of facebookresearch/segment-anything. */
import { type Rule, rename } from './rules.js';

const RULES: readonly Rule[] = [
  [/^vision_encoder\./, 'image_encoder.'],
  [/^image_encoder\.layers\./, 'image_encoder.blocks.'],
  [/^image_encoder\.patch_embed\.projection\./, 'image_encoder.patch_embed.proj.'],
  [/^image_encoder\.neck\.conv1\./, 'image_encoder.neck.0.'],
  [/^image_encoder\.neck\.layer_norm1\./, 'image_encoder.neck.1.'],
  [/^image_encoder\.neck\.conv2\./, 'image_encoder.neck.2.'],
  [/^image_encoder\.neck\.layer_norm2\./, 'image_encoder.neck.3.'],
  [
    /^(?:shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$/,
    'prompt_encoder.pe_layer.positional_encoding_gaussian_matrix',
  ],
  [/^prompt_encoder\.point_embed\./, 'prompt_encoder.point_embeddings.'],
  [/^prompt_encoder\.mask_embed\.conv1\./, 'prompt_encoder.mask_downscaling.0.'],
  [/^prompt_encoder\.mask_embed\.layer_norm1\./, 'prompt_encoder.mask_downscaling.1.'],
  [/^prompt_encoder\.mask_embed\.conv2\./, 'prompt_encoder.mask_downscaling.3.'],
  [/^prompt_encoder\.mask_embed\.layer_norm2\./, 'prompt_encoder.mask_downscaling.4.'],
  [/^prompt_encoder\.mask_embed\.conv3\./, 'prompt_encoder.mask_downscaling.6.'],
  [/^mask_decoder\.upscale_conv1\./, 'mask_decoder.output_upscaling.0.'],
  [/^mask_decoder\.upscale_layer_norm\./, 'mask_decoder.output_upscaling.1.'],
  [/^mask_decoder\.upscale_conv2\./, 'mask_decoder.output_upscaling.3.'],
  // Three-layer perceptrons: transformers counts the hidden layers only.
  [/^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.layers\.0\./, '$1.layers.1.'],
  [/^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.proj_in\./, '$1.layers.0.'],
  [/^(mask_decoder\.(?:output_hypernetworks_mlps\.\d+|iou_prediction_head))\.proj_out\./, '$1.layers.2.'],
  [/\.layer_norm(\d)\./, '.norm$1.'],
  [/\.layer_norm_final_attn\./, '.norm_final_attn.'],
];

/** Whether the keys are those of `SamModel`. */
export function isTransformersSam(has: (key: string) => boolean): boolean {
  return has('vision_encoder.patch_embed.projection.weight') && has('mask_decoder.iou_token.weight');
}

/** Official key to the stored key. The positional matrix may be stored once or twice; the first is taken. */
export function mapTransformersSam(keys: readonly string[]): Map<string, string[]> {
  const map = new Map<string, string[]>();
  for (const key of keys) {
    const official = rename(key, RULES);
    if (!map.has(official)) map.set(official, [key]);
  }
  return map;
}
