/** SAM 2.1 under the names of Hugging Face transformers, made from the official ones by the rules that transformers states. */
import { describe, expect, it } from 'vitest';
import { detectArchitecture, modelNames, openManifest, withOfficialKeys } from '../../src/checkpoint/index.js';
import { openMini } from '../sam2/mini.js';

/** From official names to transformers', written down apart from the reader's own rules. */
function transformersName(key: string): string {
  const renamed = key
    .replace('image_encoder.trunk.', 'vision_encoder.backbone.')
    .replace(/image_encoder\.neck\.convs\.(\d)\.conv/, 'vision_encoder.neck.convs.$1')
    .replace('patch_embed.proj', 'patch_embed.projection')
    .replace('sam_prompt_encoder', 'prompt_encoder')
    .replace('sam_mask_decoder', 'mask_decoder')
    .replace(
      'prompt_encoder.pe_layer.positional_encoding_gaussian_matrix',
      'shared_image_embedding.positional_embedding',
    )
    .replace('memory_encoder.fuser.layers', 'memory_encoder.memory_fuser.layers')
    .replace('dwconv', 'depthwise_conv')
    .replace(/pwconv([12])/, 'pointwise_conv$1')
    .replace(/gamma$/, 'scale')
    .replace('memory_encoder.pix_feat_proj', 'memory_encoder.feature_projection')
    .replace('memory_encoder.out_proj', 'memory_encoder.projection')
    .replace(/(attn.*)\.out_proj\./, '$1.o_proj.')
    .replace(/(memory_fuser.*|memory_attention)\.norm\./, '$1.layer_norm.')
    .replace(/\.norm(\d)\./, '.layer_norm$1.')
    .replace('norm_final_attn', 'layer_norm_final_attn')
    .replace('maskmem_tpos_enc', 'memory_temporal_positional_encoding')
    .replace('no_mem_embed', 'no_memory_embedding')
    .replace('no_mem_pos_enc', 'no_memory_positional_encoding')
    .replace('no_obj_ptr', 'no_object_pointer')
    .replace('no_obj_embed_spatial', 'occlusion_spatial_embedding_parameter')
    .replace('obj_ptr_tpos_proj', 'temporal_positional_encoding_projection_layer')
    .replace('output_upscaling.0', 'upscale_conv1')
    .replace('output_upscaling.1', 'upscale_layer_norm')
    .replace('output_upscaling.3', 'upscale_conv2')
    .replace('mask_downscaling.0', 'mask_embed.conv1')
    .replace('mask_downscaling.1', 'mask_embed.layer_norm1')
    .replace('mask_downscaling.3', 'mask_embed.conv2')
    .replace('mask_downscaling.4', 'mask_embed.layer_norm2')
    .replace('mask_downscaling.6', 'mask_embed.conv3');
  const down = /^memory_encoder\.mask_downsampler\.encoder\.(\d+)\.(.+)$/.exec(renamed);
  if (down) {
    const index = Number(down[1]);
    if (index === 12) return `memory_encoder.mask_downsampler.final_conv.${down[2]}`;
    return `memory_encoder.mask_downsampler.layers.${Math.floor(index / 3)}.${index % 3 === 0 ? 'conv' : 'layer_norm'}.${down[2]}`;
  }
  const deep =
    /^(.*(?:output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head|obj_ptr_proj))\.layers\.(\d)\.(.+)$/.exec(
      renamed,
    );
  if (deep) {
    const part = ['proj_in', 'layers.0', 'proj_out'][Number(deep[2])];
    return `${deep[1]!.replace('obj_ptr_proj', 'object_pointer_proj')}.${part}.${deep[3]}`;
  }
  return renamed.replace('mlp.layers.0', 'mlp.proj_in').replace('mlp.layers.1', 'mlp.proj_out');
}

const STACKED = 'prompt_encoder.point_embed.weight';

describe("SAM 2.1 under transformers' names", () => {
  it('has every tensor of the official file', async () => {
    const official = await openMini();
    const tensors = official.keys
      .filter((key) => !/point_embeddings\.[123]/.test(key))
      .map((key) => ({
        name: key.includes('point_embeddings.0') ? STACKED : transformersName(key),
        shape: key.includes('point_embeddings.0') ? [4, 256] : [...official.info(key).shape],
        scale: 1,
        offset: 0,
      }));
    tensors.push({
      ...tensors.find(({ name }) => name.startsWith('shared_image'))!,
      name: 'prompt_encoder.shared_embedding.positional_embedding',
    });
    const stored = openManifest({ seed: 3, tensors }, 'model.safetensors');
    const seen = withOfficialKeys(stored);
    expect([...seen.keys].sort()).toEqual([...official.keys].sort());
    for (const key of official.keys)
      expect({ key, shape: seen.info(key).shape }).toEqual({ key, shape: official.info(key).shape });
    const whole = (await stored.read(STACKED)).data;
    expect((await seen.read('sam_prompt_encoder.point_embeddings.2.weight')).data).toEqual(whole.slice(512, 768));
    const raw = await seen.readRaw('sam_prompt_encoder.point_embeddings.3.weight');
    expect(new Float32Array(raw.data.buffer)).toEqual(whole.slice(768));
    expect(seen.info('sam_prompt_encoder.point_embeddings.3.weight').byteLength).toBe(1024);
    expect(modelNames(detectArchitecture(stored)!)).toEqual([]);
  });

  it('refuses stacked embeddings of too few rows', () => {
    const names = ['vision_encoder.backbone.patch_embed.projection.weight', 'mask_decoder.obj_score_token.weight'];
    const tensors = [
      ...names.map((name) => ({ name, shape: [3], scale: 1, offset: 0 })),
      { name: STACKED, shape: [2, 256], scale: 1, offset: 0 },
    ];
    const seen = withOfficialKeys(openManifest({ seed: 3, tensors }, 'model.safetensors'));
    expect(() => seen.info('sam_prompt_encoder.point_embeddings.3.weight')).toThrow(/has no row 3/);
  });
});
