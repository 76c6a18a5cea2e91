/** SAM 2.1: names of Hugging Face transformers' `Sam2Model` and `Sam2VideoModel` to those of facebookresearch/sam2. */
import type { Parts } from './renamed-checkpoint.js';
import { type Rule, rename } from './rules.js';

/** Three-layer perceptrons: transformers counts the hidden layers only. */
const THREE_LAYERS =
  '(sam_mask_decoder\\.(?:output_hypernetworks_mlps\\.\\d+|iou_prediction_head|pred_obj_score_head)|obj_ptr_proj)';

const RULES: readonly Rule[] = [
  [/^vision_encoder\.backbone\./, 'image_encoder.trunk.'],
  [/^vision_encoder\.neck\.convs\.(\d+)\./, 'image_encoder.neck.convs.$1.conv.'],
  [/\.patch_embed\.projection\./, '.patch_embed.proj.'],
  [
    /^(?:shared_image_embedding|prompt_encoder\.shared_embedding)\.positional_embedding$/,
    'sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix',
  ],
  [/^prompt_encoder\./, 'sam_prompt_encoder.'],
  [/^mask_decoder\./, 'sam_mask_decoder.'],
  [/\.mask_embed\.conv1\./, '.mask_downscaling.0.'],
  [/\.mask_embed\.layer_norm1\./, '.mask_downscaling.1.'],
  [/\.mask_embed\.conv2\./, '.mask_downscaling.3.'],
  [/\.mask_embed\.layer_norm2\./, '.mask_downscaling.4.'],
  [/\.mask_embed\.conv3\./, '.mask_downscaling.6.'],
  [/\.upscale_conv1\./, '.output_upscaling.0.'],
  [/\.upscale_layer_norm\./, '.output_upscaling.1.'],
  [/\.upscale_conv2\./, '.output_upscaling.3.'],
  [/^object_pointer_proj\./, 'obj_ptr_proj.'],
  [/^temporal_positional_encoding_projection_layer\./, 'obj_ptr_tpos_proj.'],
  [new RegExp(`^${THREE_LAYERS}\\.layers\\.0\\.`), '$1.layers.1.'],
  [new RegExp(`^${THREE_LAYERS}\\.proj_in\\.`), '$1.layers.0.'],
  [new RegExp(`^${THREE_LAYERS}\\.proj_out\\.`), '$1.layers.2.'],
  [/\.mlp\.proj_in\./, '.mlp.layers.0.'],
  [/\.mlp\.proj_out\./, '.mlp.layers.1.'],
  [/\.o_proj\./, '.out_proj.'],
  [/^memory_encoder\.mask_downsampler\.final_conv\./, 'memory_encoder.mask_downsampler.encoder.12.'],
  [/^memory_encoder\.feature_projection\./, 'memory_encoder.pix_feat_proj.'],
  [/^memory_encoder\.projection\./, 'memory_encoder.out_proj.'],
  [/^memory_encoder\.memory_fuser\.layers\.(\d+)\.depthwise_conv\./, 'memory_encoder.fuser.layers.$1.dwconv.'],
  [/^memory_encoder\.memory_fuser\.layers\.(\d+)\.pointwise_conv(\d)\./, 'memory_encoder.fuser.layers.$1.pwconv$2.'],
  [/^memory_encoder\.memory_fuser\.layers\.(\d+)\.scale$/, 'memory_encoder.fuser.layers.$1.gamma'],
  [/^memory_encoder\.memory_fuser\.layers\.(\d+)\.layer_norm\./, 'memory_encoder.fuser.layers.$1.norm.'],
  [/^memory_attention\.layer_norm\./, 'memory_attention.norm.'],
  [/\.layer_norm(\d)\./, '.norm$1.'],
  [/\.layer_norm_final_attn\./, '.norm_final_attn.'],
  [/^memory_temporal_positional_encoding$/, 'maskmem_tpos_enc'],
  [/^no_memory_embedding$/, 'no_mem_embed'],
  [/^no_memory_positional_encoding$/, 'no_mem_pos_enc'],
  [/^no_object_pointer$/, 'no_obj_ptr'],
  [/^occlusion_spatial_embedding_parameter$/, 'no_obj_embed_spatial'],
];

/** Steps of the mask's way down, a convolution and a norm each. */
const DOWNSAMPLER = /^memory_encoder\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)\.(.+)$/;
const STACKED_POINTS = 'prompt_encoder.point_embed.weight';

/** Whether the keys are those of `Sam2Model` or `Sam2VideoModel`. */
export function isTransformersSam2(has: (key: string) => boolean): boolean {
  return has('vision_encoder.backbone.patch_embed.projection.weight') && has('mask_decoder.obj_score_token.weight');
}

/** Official key to where its values are. The positional matrix may be stored once or twice; the first is taken. */
export function mapTransformersSam2(keys: readonly string[]): Map<string, Parts> {
  const map = new Map<string, Parts>();
  for (const key of keys) {
    if (key === STACKED_POINTS) {
      for (let row = 0; row < 4; row++) {
        map.set(`sam_prompt_encoder.point_embeddings.${row}.weight`, [{ key, row, rows: 1 }]);
      }
      continue;
    }
    const down = DOWNSAMPLER.exec(key);
    const official = down
      ? `memory_encoder.mask_downsampler.encoder.${3 * Number(down[1]) + (down[2] === 'conv' ? 0 : 1)}.${down[3]}`
      : rename(key, RULES);
    if (!map.has(official)) map.set(official, [key]);
  }
  return map;
}
