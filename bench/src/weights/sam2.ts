import type { Manifest, Sam2Config } from '@samtrack/models';
import { Recipe } from './recipe.js';
import { maskDecoder, perceptron, promptEncoder } from './sam.js';

const FEATURES = 256;
const MEMORY = 64;

/** All weights of a SAM 2.1, with the keys of sam2. */
export function sam2Manifest(config: Sam2Config): Manifest {
  const recipe = new Recipe();
  trunk(recipe, config);
  for (let level = 0; level < 4; level++) {
    recipe.layer(`image_encoder.neck.convs.${3 - level}.conv`, [FEATURES, config.embed << level, 1, 1]);
  }
  memoryAttention(recipe, config);
  memoryEncoder(recipe);
  promptEncoder(recipe, 'sam_prompt_encoder');
  maskDecoder(recipe, 'sam_mask_decoder', ['layers.0', 'layers.1']);
  recipe.uniform('sam_mask_decoder.obj_score_token.weight', [1, FEATURES], 1);
  perceptron(recipe, 'sam_mask_decoder.pred_obj_score_head', 1);
  recipe.layer('sam_mask_decoder.conv_s0', [32, FEATURES, 1, 1]);
  recipe.layer('sam_mask_decoder.conv_s1', [64, FEATURES, 1, 1]);
  perceptron(recipe, 'obj_ptr_proj', FEATURES);
  recipe.layer('obj_ptr_tpos_proj', [MEMORY, FEATURES]);
  recipe.layer('mask_downsample', [1, 1, 4, 4]);
  recipe.uniform('maskmem_tpos_enc', [7, 1, 1, MEMORY], 1);
  for (const name of ['no_mem_embed', 'no_mem_pos_enc']) recipe.uniform(name, [1, 1, FEATURES], 1);
  recipe.uniform('no_obj_ptr', [1, FEATURES], 1);
  recipe.uniform('no_obj_embed_spatial', [1, MEMORY], 1);
  return recipe.manifest;
}

/** Side of the image of position encodings that is stretched over the tokens. */
const BACKGROUND = 7;

function trunk(recipe: Recipe, { embed, stages }: Sam2Config): void {
  const key = 'image_encoder.trunk';
  recipe.uniform(`${key}.pos_embed`, [1, embed, BACKGROUND, BACKGROUND], 0.5);
  recipe.uniform(`${key}.pos_embed_window`, [1, embed, 8, 8], 0.5);
  recipe.layer(`${key}.patch_embed.proj`, [embed, 3, 7, 7]);
  let depth = 0;
  let inputs: number = embed;
  for (const [stage, blocks] of stages.entries()) {
    const width = embed << stage;
    for (let i = 0; i < blocks; i++) {
      const block = `${key}.blocks.${depth++}`;
      recipe.norm(`${block}.norm1`, inputs);
      recipe.layer(`${block}.attn.qkv`, [3 * width, inputs]);
      recipe.layer(`${block}.attn.proj`, [width, width], 0.5);
      recipe.norm(`${block}.norm2`, width);
      recipe.layer(`${block}.mlp.layers.0`, [4 * width, width]);
      recipe.layer(`${block}.mlp.layers.1`, [width, 4 * width], 0.5);
      if (inputs !== width) recipe.layer(`${block}.proj`, [width, inputs]);
      inputs = width;
    }
  }
}

function memoryAttention(recipe: Recipe, { memoryLayers, memoryHidden }: Sam2Config): void {
  for (let i = 0; i < memoryLayers; i++) {
    const layer = `memory_attention.layers.${i}`;
    for (const [name, keys] of [
      ['self_attn', FEATURES],
      ['cross_attn_image', MEMORY],
    ] as const) {
      recipe.layer(`${layer}.${name}.q_proj`, [FEATURES, FEATURES]);
      recipe.layer(`${layer}.${name}.k_proj`, [FEATURES, keys]);
      recipe.layer(`${layer}.${name}.v_proj`, [FEATURES, keys]);
      recipe.layer(`${layer}.${name}.out_proj`, [FEATURES, FEATURES], 0.5);
    }
    recipe.layer(`${layer}.linear1`, [memoryHidden, FEATURES]);
    recipe.layer(`${layer}.linear2`, [FEATURES, memoryHidden], 0.5);
    for (const n of [1, 2, 3]) recipe.norm(`${layer}.norm${n}`, FEATURES);
  }
  recipe.norm('memory_attention.norm', FEATURES);
}

function memoryEncoder(recipe: Recipe): void {
  const down = 'memory_encoder.mask_downsampler.encoder';
  for (const [i, channels] of [4, 16, 64, FEATURES].entries()) {
    recipe.layer(`${down}.${3 * i}`, [channels, channels / 4, 3, 3]);
    recipe.norm(`${down}.${3 * i + 1}`, channels);
  }
  recipe.layer(`${down}.12`, [FEATURES, FEATURES, 1, 1]);
  recipe.layer('memory_encoder.pix_feat_proj', [FEATURES, FEATURES, 1, 1]);
  for (const i of [0, 1]) {
    const layer = `memory_encoder.fuser.layers.${i}`;
    recipe.uniform(`${layer}.gamma`, [FEATURES], 0.3, 0.7);
    recipe.layer(`${layer}.dwconv`, [FEATURES, 1, 7, 7]);
    recipe.norm(`${layer}.norm`, FEATURES);
    recipe.layer(`${layer}.pwconv1`, [4 * FEATURES, FEATURES]);
    recipe.layer(`${layer}.pwconv2`, [FEATURES, 4 * FEATURES]);
  }
  recipe.layer('memory_encoder.out_proj', [MEMORY, FEATURES, 1, 1]);
}
