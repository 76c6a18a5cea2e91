import { describe, expect, it } from 'vitest';
import {
  detectArchitecture,
  modelNames,
  openCheckpoint,
  openManifest,
  type SafetensorsEntry,
  WeightReader,
  withOfficialKeys,
  writeSafetensors,
} from '../../src/checkpoint/index.js';

const manifest = (keys: readonly string[]) =>
  openManifest({ seed: 1, tensors: keys.map((name) => ({ name, shape: [3], scale: 1, offset: 0 })) }, 'hf.safetensors');

/** Stored key and official key, one of each kind. */
const SAM: readonly [string, string][] = [
  ['vision_encoder.patch_embed.projection.weight', 'image_encoder.patch_embed.proj.weight'],
  ['mask_decoder.iou_token.weight', 'mask_decoder.iou_token.weight'],
  ['vision_encoder.pos_embed', 'image_encoder.pos_embed'],
  ['vision_encoder.layers.11.layer_norm2.bias', 'image_encoder.blocks.11.norm2.bias'],
  ['vision_encoder.layers.3.attn.rel_pos_h', 'image_encoder.blocks.3.attn.rel_pos_h'],
  ['vision_encoder.layers.3.mlp.lin1.weight', 'image_encoder.blocks.3.mlp.lin1.weight'],
  ['vision_encoder.neck.conv1.weight', 'image_encoder.neck.0.weight'],
  ['vision_encoder.neck.layer_norm1.weight', 'image_encoder.neck.1.weight'],
  ['vision_encoder.neck.conv2.weight', 'image_encoder.neck.2.weight'],
  ['vision_encoder.neck.layer_norm2.bias', 'image_encoder.neck.3.bias'],
  ['shared_image_embedding.positional_embedding', 'prompt_encoder.pe_layer.positional_encoding_gaussian_matrix'],
  ['prompt_encoder.point_embed.2.weight', 'prompt_encoder.point_embeddings.2.weight'],
  ['prompt_encoder.not_a_point_embed.weight', 'prompt_encoder.not_a_point_embed.weight'],
  ['prompt_encoder.mask_embed.conv1.weight', 'prompt_encoder.mask_downscaling.0.weight'],
  ['prompt_encoder.mask_embed.layer_norm1.bias', 'prompt_encoder.mask_downscaling.1.bias'],
  ['prompt_encoder.mask_embed.conv2.weight', 'prompt_encoder.mask_downscaling.3.weight'],
  ['prompt_encoder.mask_embed.layer_norm2.bias', 'prompt_encoder.mask_downscaling.4.bias'],
  ['prompt_encoder.mask_embed.conv3.bias', 'prompt_encoder.mask_downscaling.6.bias'],
  ['mask_decoder.transformer.layers.1.layer_norm4.weight', 'mask_decoder.transformer.layers.1.norm4.weight'],
  [
    'mask_decoder.transformer.layers.0.self_attn.q_proj.weight',
    'mask_decoder.transformer.layers.0.self_attn.q_proj.weight',
  ],
  ['mask_decoder.transformer.layer_norm_final_attn.bias', 'mask_decoder.transformer.norm_final_attn.bias'],
  ['mask_decoder.upscale_conv1.bias', 'mask_decoder.output_upscaling.0.bias'],
  ['mask_decoder.upscale_layer_norm.bias', 'mask_decoder.output_upscaling.1.bias'],
  ['mask_decoder.upscale_conv2.bias', 'mask_decoder.output_upscaling.3.bias'],
  [
    'mask_decoder.output_hypernetworks_mlps.3.proj_in.weight',
    'mask_decoder.output_hypernetworks_mlps.3.layers.0.weight',
  ],
  [
    'mask_decoder.output_hypernetworks_mlps.3.layers.0.weight',
    'mask_decoder.output_hypernetworks_mlps.3.layers.1.weight',
  ],
  ['mask_decoder.output_hypernetworks_mlps.3.proj_out.bias', 'mask_decoder.output_hypernetworks_mlps.3.layers.2.bias'],
  ['mask_decoder.iou_prediction_head.proj_in.bias', 'mask_decoder.iou_prediction_head.layers.0.bias'],
  ['mask_decoder.iou_prediction_head.layers.0.bias', 'mask_decoder.iou_prediction_head.layers.1.bias'],
  ['mask_decoder.iou_prediction_head.proj_out.bias', 'mask_decoder.iou_prediction_head.layers.2.bias'],
];

const HF_SWIN = 'model.backbone.conv_encoder.model';
const DINO: readonly [string, string][] = [
  [`${HF_SWIN}.embeddings.patch_embeddings.projection.weight`, 'backbone.0.patch_embed.proj.weight'],
  [`${HF_SWIN}.embeddings.norm.bias`, 'backbone.0.patch_embed.norm.bias'],
  [`${HF_SWIN}.encoder.layers.1.blocks.0.layernorm_before.weight`, 'backbone.0.layers.1.blocks.0.norm1.weight'],
  [`${HF_SWIN}.encoder.layers.1.blocks.0.layernorm_after.weight`, 'backbone.0.layers.1.blocks.0.norm2.weight'],
  [
    `${HF_SWIN}.encoder.layers.1.blocks.0.attention.self.relative_position_bias_table`,
    'backbone.0.layers.1.blocks.0.attn.relative_position_bias_table',
  ],
  [`${HF_SWIN}.encoder.layers.1.blocks.0.attention.output.dense.bias`, 'backbone.0.layers.1.blocks.0.attn.proj.bias'],
  [`${HF_SWIN}.encoder.layers.1.blocks.0.intermediate.dense.bias`, 'backbone.0.layers.1.blocks.0.mlp.fc1.bias'],
  [`${HF_SWIN}.encoder.layers.1.blocks.0.output.dense.bias`, 'backbone.0.layers.1.blocks.0.mlp.fc2.bias'],
  [`${HF_SWIN}.encoder.layers.1.downsample.norm.bias`, 'backbone.0.layers.1.downsample.norm.bias'],
  [`${HF_SWIN}.hidden_states_norms.stage2.weight`, 'backbone.0.norm1.weight'],
  [`${HF_SWIN}.hidden_states_norms.stage4.weight`, 'backbone.0.norm3.weight'],
  ['model.input_proj_vision.3.0.weight', 'input_proj.3.0.weight'],
  ['model.text_projection.weight', 'feat_map.weight'],
  ['model.text_backbone.encoder.layer.4.attention.self.key.bias', 'bert.encoder.layer.4.attention.self.key.bias'],
  ['model.text_backbone.encoder.layer.4.output.dense.bias', 'bert.encoder.layer.4.output.dense.bias'],
  ['model.level_embed', 'transformer.level_embed'],
  ['model.query_position_embeddings.weight', 'transformer.tgt_embed.weight'],
  ['model.enc_output.weight', 'transformer.enc_output.weight'],
  ['model.enc_output_norm.bias', 'transformer.enc_output_norm.bias'],
  ['model.encoder_output_bbox_embed.layers.2.bias', 'transformer.enc_out_bbox_embed.layers.2.bias'],
  [
    'model.encoder.layers.5.deformable_layer.self_attn.sampling_offsets.weight',
    'transformer.encoder.layers.5.self_attn.sampling_offsets.weight',
  ],
  ['model.encoder.layers.5.deformable_layer.self_attn_layer_norm.bias', 'transformer.encoder.layers.5.norm1.bias'],
  ['model.encoder.layers.5.deformable_layer.final_layer_norm.bias', 'transformer.encoder.layers.5.norm2.bias'],
  ['model.encoder.layers.5.deformable_layer.fc2.bias', 'transformer.encoder.layers.5.linear2.bias'],
  ['model.encoder.layers.0.text_enhancer_layer.fc1.bias', 'transformer.encoder.text_layers.0.linear1.bias'],
  [
    'model.encoder.layers.0.text_enhancer_layer.self_attn.out_proj.bias',
    'transformer.encoder.text_layers.0.self_attn.out_proj.bias',
  ],
  ['model.encoder.layers.0.text_enhancer_layer.layer_norm_before.bias', 'transformer.encoder.text_layers.0.norm1.bias'],
  ['model.encoder.layers.0.text_enhancer_layer.layer_norm_after.bias', 'transformer.encoder.text_layers.0.norm2.bias'],
  ['model.encoder.layers.0.fusion_layer.vision_param', 'transformer.encoder.fusion_layers.0.gamma_v'],
  ['model.encoder.layers.0.fusion_layer.text_param', 'transformer.encoder.fusion_layers.0.gamma_l'],
  ['model.encoder.layers.0.fusion_layer.layer_norm_text.bias', 'transformer.encoder.fusion_layers.0.layer_norm_l.bias'],
  ['model.encoder.layers.0.fusion_layer.attn.vision_proj.bias', 'transformer.encoder.fusion_layers.0.attn.v_proj.bias'],
  [
    'model.encoder.layers.0.fusion_layer.attn.values_text_proj.bias',
    'transformer.encoder.fusion_layers.0.attn.values_l_proj.bias',
  ],
  [
    'model.encoder.layers.0.fusion_layer.attn.out_vision_proj.bias',
    'transformer.encoder.fusion_layers.0.attn.out_v_proj.bias',
  ],
  ['model.decoder.layers.2.encoder_attn.value_proj.bias', 'transformer.decoder.layers.2.cross_attn.value_proj.bias'],
  ['model.decoder.layers.2.encoder_attn_layer_norm.bias', 'transformer.decoder.layers.2.norm1.bias'],
  ['model.decoder.layers.2.encoder_attn_text.out_proj.bias', 'transformer.decoder.layers.2.ca_text.out_proj.bias'],
  ['model.decoder.layers.2.encoder_attn_text_layer_norm.bias', 'transformer.decoder.layers.2.catext_norm.bias'],
  ['model.decoder.layers.2.self_attn_layer_norm.bias', 'transformer.decoder.layers.2.norm2.bias'],
  ['model.decoder.layers.2.final_layer_norm.bias', 'transformer.decoder.layers.2.norm3.bias'],
  ['model.decoder.layers.2.fc1.weight', 'transformer.decoder.layers.2.linear1.weight'],
  ['model.decoder.layer_norm.weight', 'transformer.decoder.norm.weight'],
  ['model.decoder.reference_points_head.layers.1.bias', 'transformer.decoder.ref_point_head.layers.1.bias'],
];

describe.each([
  ['SamModel', SAM],
  ['GroundingDinoForObjectDetection', DINO],
])('names of %s', (_, pairs) => {
  it('become the official ones, with the values of the stored ones', async () => {
    const stored = manifest(pairs.map(([key]) => key));
    const official = withOfficialKeys(stored);
    expect(official.keys).toEqual(pairs.map(([, key]) => key));
    for (const [from, to] of pairs) expect((await official.read(to)).data).toEqual((await stored.read(from)).data);
    expect(official).toMatchObject({ format: 'procedural', file: 'hf.safetensors' });
    await expect(official.read('nonsense')).rejects.toMatchObject({ code: 'missing-key', key: 'nonsense' });
  });
});

it('official names stay as they are', () => {
  const checkpoint = manifest(['image_encoder.pos_embed', 'mask_decoder.iou_token.weight']);
  expect(withOfficialKeys(checkpoint)).toBe(checkpoint);
});

it('takes the positional matrix that is stored twice once', () => {
  const keys = ['vision_encoder.patch_embed.projection.weight', 'mask_decoder.iou_token.weight'];
  const both = ['shared_image_embedding.positional_embedding', 'prompt_encoder.shared_embedding.positional_embedding'];
  expect(withOfficialKeys(manifest([...keys, ...both])).keys).toHaveLength(3);
});

describe('query, key and value of Grounding DINO', () => {
  const tensor = (key: string, dtype: 'f32' | 'f16', shape: number[], ...values: number[]): SafetensorsEntry => ({
    key,
    dtype,
    shape,
    data: new Uint8Array(dtype === 'f32' ? Float32Array.from(values).buffer : Uint16Array.from(values).buffer),
  });
  const marks = [
    tensor('model.text_projection.weight', 'f32', [1], 0),
    tensor('model.query_position_embeddings.weight', 'f32', [1], 0),
  ];
  const attention = 'model.decoder.layers.0.self_attn';
  const open = async (...entries: SafetensorsEntry[]) =>
    withOfficialKeys(await openCheckpoint(writeSafetensors([...entries, ...marks]), { name: 'x' }));

  it('are joined in this order, whatever their order in the file', async () => {
    const checkpoint = await open(
      tensor(`${attention}.value.weight`, 'f32', [1, 2], 5, 6),
      tensor(`${attention}.query.weight`, 'f32', [1, 2], 1, 2),
      tensor(`${attention}.key.weight`, 'f32', [1, 2], 3, 4),
    );
    const key = 'transformer.decoder.layers.0.self_attn.in_proj_weight';
    expect(checkpoint.info(key)).toEqual({ key, dtype: 'f32', shape: [3, 2], byteLength: 24 });
    expect([...(await checkpoint.read(key)).data]).toEqual([1, 2, 3, 4, 5, 6]);
    const raw = await checkpoint.readRaw(key);
    expect([...new Float32Array(raw.data.buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('are called qkv in the backbone', async () => {
    const swin = `${HF_SWIN}.encoder.layers.0.blocks.0.attention.self`;
    const checkpoint = await open(
      tensor(`${swin}.query.bias`, 'f32', [1], 1),
      tensor(`${swin}.key.bias`, 'f32', [1], 2),
      tensor(`${swin}.value.bias`, 'f32', [1], 3),
    );
    expect([...(await checkpoint.read('backbone.0.layers.0.blocks.0.attn.qkv.bias')).data]).toEqual([1, 2, 3]);
  });

  it.each([[['query', 'key']], [['key', 'value']], [['query', 'value']], [['value']], [['query']]])(
    'are a missing key when only %j are there',
    async (present) => {
      const checkpoint = await open(...present.map((name) => tensor(`${attention}.${name}.bias`, 'f32', [1], 1)));
      const reader = new WeightReader(checkpoint);
      const key = 'transformer.decoder.layers.0.self_attn.in_proj_bias';
      await expect(reader.take(key, [3])).rejects.toMatchObject({ code: 'missing-key', key });
    },
  );

  it.each([
    ['width', tensor(`${attention}.value.weight`, 'f32', [2, 1], 5, 6)],
    ['dtype', tensor(`${attention}.value.weight`, 'f16', [1, 2], 5, 6)],
    ['rank', tensor(`${attention}.value.weight`, 'f32', [], 5)],
  ])('are refused when one has another %s', async (_, odd) => {
    const checkpoint = await open(
      tensor(`${attention}.query.weight`, 'f32', [1, 2], 1, 2),
      tensor(`${attention}.key.weight`, 'f32', [1, 2], 3, 4),
      odd,
    );
    const key = 'transformer.decoder.layers.0.self_attn.in_proj_weight';
    await expect(checkpoint.read(key)).rejects.toMatchObject({ code: 'wrong-shape', key });
  });
});

it.each([
  ['bbox_embed.3', 'layers.0.weight'],
  ['model.decoder.bbox_embed.0', 'layers.2.bias'],
])('all twelve names of the box head lead to the one copy that is stored, %s', async (copy, layer) => {
  const marks = ['model.text_projection.weight', 'model.query_position_embeddings.weight'];
  const stored = manifest([...marks, `${copy}.${layer}`]);
  const official = withOfficialKeys(stored);
  const { data } = await stored.read(`${copy}.${layer}`);
  for (const prefix of ['', 'transformer.decoder.']) {
    for (let i = 0; i < 6; i++) expect((await official.read(`${prefix}bbox_embed.${i}.${layer}`)).data).toEqual(data);
  }
  expect(official.keys).toHaveLength(marks.length + 12);
});

it('the architecture is told and weights are read through the map', async () => {
  const shapes: Record<string, number[]> = {
    'vision_encoder.patch_embed.projection.weight': [768, 3, 16, 16],
    'vision_encoder.layers.11.layer_norm1.weight': [768],
    'mask_decoder.iou_token.weight': [1, 256],
  };
  const tensors = Object.entries(shapes).map(([name, shape]) => ({ name, shape, scale: 1, offset: 0 }));
  const checkpoint = openManifest({ seed: 1, tensors });
  expect(modelNames(detectArchitecture(checkpoint)!)).toEqual(['sam-vit-b']);
  const reader = new WeightReader(checkpoint);
  expect(await reader.take('image_encoder.blocks.11.norm1.weight', [768])).toHaveLength(768);
  expect(reader.finish()).toEqual(['image_encoder.patch_embed.proj.weight', 'mask_decoder.iou_token.weight']);
});
