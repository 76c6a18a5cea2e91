/** Grounding DINO: names of Hugging Face transformers' `GroundingDinoForObjectDetection` (4.x) to those of IDEA-Research/GroundingDINO. */
import { type Rule, rename } from './rules.js';

const SWIN: readonly Rule[] = [
  [/^model\.backbone\.conv_encoder\.model\.embeddings\.patch_embeddings\.projection\./, 'backbone.0.patch_embed.proj.'],
  [/^model\.backbone\.conv_encoder\.model\.embeddings\.norm\./, 'backbone.0.patch_embed.norm.'],
  [/^model\.backbone\.conv_encoder\.model\.encoder\./, 'backbone.0.'],
  [/^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage2\./, 'backbone.0.norm1.'],
  [/^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage3\./, 'backbone.0.norm2.'],
  [/^model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage4\./, 'backbone.0.norm3.'],
  [/^(backbone\.0\..*)\.layernorm_before\./, '$1.norm1.'],
  [/^(backbone\.0\..*)\.layernorm_after\./, '$1.norm2.'],
  [/^(backbone\.0\..*)\.attention\.output\.dense\./, '$1.attn.proj.'],
  [/^(backbone\.0\..*)\.attention\.self\./, '$1.attn.'],
  [/^(backbone\.0\..*)\.intermediate\.dense\./, '$1.mlp.fc1.'],
  [/^(backbone\.0\..*)\.output\.dense\./, '$1.mlp.fc2.'],
];

const ENCODER: readonly Rule[] = [
  [/^model\.encoder\.layers\.(\d+)\.deformable_layer\./, 'transformer.encoder.layers.$1.'],
  [/^model\.encoder\.layers\.(\d+)\.text_enhancer_layer\./, 'transformer.encoder.text_layers.$1.'],
  [/^model\.encoder\.layers\.(\d+)\.fusion_layer\./, 'transformer.encoder.fusion_layers.$1.'],
  [/^(transformer\.encoder\.layers\.\d+)\.self_attn_layer_norm\./, '$1.norm1.'],
  [/^(transformer\.encoder\.layers\.\d+)\.final_layer_norm\./, '$1.norm2.'],
  [/^(transformer\.encoder\.text_layers\.\d+)\.layer_norm_before\./, '$1.norm1.'],
  [/^(transformer\.encoder\.text_layers\.\d+)\.layer_norm_after\./, '$1.norm2.'],
  [/^(transformer\.encoder\.fusion_layers\.\d+)\.vision_param$/, '$1.gamma_v'],
  [/^(transformer\.encoder\.fusion_layers\.\d+)\.text_param$/, '$1.gamma_l'],
  [/^(transformer\.encoder\.fusion_layers\.\d+)\.layer_norm_vision\./, '$1.layer_norm_v.'],
  [/^(transformer\.encoder\.fusion_layers\.\d+)\.layer_norm_text\./, '$1.layer_norm_l.'],
  [/^(transformer\.encoder\.fusion_layers\.\d+\.attn\.(?:values_|out_)?)vision_proj\./, '$1v_proj.'],
  [/^(transformer\.encoder\.fusion_layers\.\d+\.attn\.(?:values_|out_)?)text_proj\./, '$1l_proj.'],
];

const DECODER: readonly Rule[] = [
  [/^model\.decoder\.reference_points_head\./, 'transformer.decoder.ref_point_head.'],
  [/^model\.decoder\.layer_norm\./, 'transformer.decoder.norm.'],
  [/^model\.decoder\./, 'transformer.decoder.'],
  [/^(transformer\.decoder\.layers\.\d+)\.encoder_attn_text_layer_norm\./, '$1.catext_norm.'],
  [/^(transformer\.decoder\.layers\.\d+)\.encoder_attn_text\./, '$1.ca_text.'],
  [/^(transformer\.decoder\.layers\.\d+)\.encoder_attn_layer_norm\./, '$1.norm1.'],
  [/^(transformer\.decoder\.layers\.\d+)\.encoder_attn\./, '$1.cross_attn.'],
  [/^(transformer\.decoder\.layers\.\d+)\.self_attn_layer_norm\./, '$1.norm2.'],
  [/^(transformer\.decoder\.layers\.\d+)\.final_layer_norm\./, '$1.norm3.'],
];

const REST: readonly Rule[] = [
  [/^(transformer\..*\.layers\.\d+|transformer\..*\.text_layers\.\d+)\.fc1\./, '$1.linear1.'],
  [/^(transformer\..*\.layers\.\d+|transformer\..*\.text_layers\.\d+)\.fc2\./, '$1.linear2.'],
  [/^model\.text_backbone\./, 'bert.'],
  [/^model\.text_projection\./, 'feat_map.'],
  [/^model\.input_proj_vision\./, 'input_proj.'],
  [/^model\.level_embed$/, 'transformer.level_embed'],
  [/^model\.query_position_embeddings\./, 'transformer.tgt_embed.'],
  [/^model\.encoder_output_bbox_embed\./, 'transformer.enc_out_bbox_embed.'],
  [/^model\.(enc_output(?:_norm)?)\./, 'transformer.$1.'],
];

const RULES = [...SWIN, ...ENCODER, ...DECODER, ...REST];

/** Three projections that the official model keeps in one tensor, in this order. */
const PROJECTIONS = ['query', 'key', 'value'];
const SPLIT = /^((?:backbone|transformer)\..*)\.(query|key|value)\.(weight|bias)$/;

/** The same box head under twelve names; a file stores some of them. */
const BOX_HEAD = /^(?:transformer\.decoder\.)?bbox_embed\.\d+\./;
const DECODER_LAYERS = 6;

/** Whether the keys are those of `GroundingDinoForObjectDetection`. */
export function isTransformersGroundingDino(has: (key: string) => boolean): boolean {
  return has('model.text_projection.weight') && has('model.query_position_embeddings.weight');
}

/** Official key to the stored keys, in the order in which they follow each other. */
export function mapTransformersGroundingDino(keys: readonly string[]): Map<string, string[]> {
  const map = new Map<string, string[]>();
  const joined = new Map<string, string[]>();
  for (const key of keys) {
    const name = rename(key, RULES);
    const split = SPLIT.exec(name);
    if (!split) {
      map.set(name, [key]);
      continue;
    }
    const [, module, projection, kind] = split as unknown as [string, string, string, string];
    // The Swin backbone calls it qkv; torch.nn.MultiheadAttention, in_proj_weight and in_proj_bias.
    const whole = module.startsWith('backbone.') ? `${module}.qkv.${kind}` : `${module}.in_proj_${kind}`;
    const parts = joined.get(whole) ?? [];
    parts[PROJECTIONS.indexOf(projection)] = key;
    joined.set(whole, parts);
    // While one of the three is lacking, the whole is a missing key.
    if (PROJECTIONS.every((_, i) => parts[i] !== undefined)) map.set(whole, parts);
  }
  addBoxHeads(map);
  return map;
}

function addBoxHeads(map: Map<string, string[]>): void {
  for (const [name, parts] of [...map]) {
    if (!BOX_HEAD.test(name)) continue;
    const layer = name.replace(BOX_HEAD, '');
    for (const prefix of ['', 'transformer.decoder.']) {
      for (let i = 0; i < DECODER_LAYERS; i++) {
        const copy = `${prefix}bbox_embed.${i}.${layer}`;
        if (!map.has(copy)) map.set(copy, parts);
      }
    }
  }
}
