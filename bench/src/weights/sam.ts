import type { Manifest, VitDetConfig } from '@samtrack/models';
import { Recipe } from './recipe.js';

const NECK = 256;
/** Inner channels of attention between tokens and image. */
const CROSS = 128;
const MASKS = 4;

/** Weights of Segment Anything's image encoder. */
export function samEncoderManifest({ embed, depth, heads, window, global, grid }: VitDetConfig): Manifest {
  const recipe = new Recipe();
  const headSize = embed / heads;
  recipe.layer('patch_embed.proj', [embed, 3, 16, 16]);
  recipe.uniform('pos_embed', [1, grid, grid, embed], 0.3);
  for (let i = 0; i < depth; i++) {
    const block = `blocks.${i}`;
    const positions = 2 * (global.includes(i) ? grid : window) - 1;
    recipe.norm(`${block}.norm1`, embed);
    recipe.layer(`${block}.attn.qkv`, [3 * embed, embed]);
    recipe.uniform(`${block}.attn.rel_pos_h`, [positions, headSize], 0.1);
    recipe.uniform(`${block}.attn.rel_pos_w`, [positions, headSize], 0.1);
    recipe.layer(`${block}.attn.proj`, [embed, embed], 0.5);
    recipe.norm(`${block}.norm2`, embed);
    recipe.layer(`${block}.mlp.lin1`, [4 * embed, embed]);
    recipe.layer(`${block}.mlp.lin2`, [embed, 4 * embed], 0.5);
  }
  recipe.weight('neck.0', [NECK, embed, 1, 1]);
  recipe.norm('neck.1', NECK);
  recipe.weight('neck.2', [NECK, NECK, 3, 3]);
  recipe.norm('neck.3', NECK);
  return recipe.manifest;
}

/**
 * Weights of Segment Anything's mask decoder and prompt encoder, and of a small image encoder for pictures of 1024 x 1024,
 * without which there is no model.
 */
export function samDecoderManifest(): Manifest {
  const { seed, tensors } = samEncoderManifest({ embed: 64, depth: 1, heads: 1, window: 14, global: [0], grid: 64 });
  const recipe = new Recipe();
  promptEncoder(recipe, 'prompt_encoder');
  maskDecoder(recipe, 'mask_decoder', ['lin1', 'lin2']);
  return { seed, tensors: [...tensors, ...recipe.manifest.tensors] };
}

/** The prompt encoder, which SAM 2 has as well. */
export function promptEncoder(recipe: Recipe, key: string): void {
  const prompt = (name: string) => `${key}.${name}`;
  recipe.uniform(prompt('pe_layer.positional_encoding_gaussian_matrix'), [2, NECK / 2], 1.7);
  for (const label of [0, 1, 2, 3]) recipe.uniform(prompt(`point_embeddings.${label}.weight`), [1, NECK], 1);
  for (const name of ['not_a_point_embed', 'no_mask_embed']) recipe.uniform(prompt(`${name}.weight`), [1, NECK], 1);
  recipe.layer(prompt('mask_downscaling.0'), [4, 1, 2, 2]);
  recipe.norm(prompt('mask_downscaling.1'), 4);
  recipe.layer(prompt('mask_downscaling.3'), [16, 4, 2, 2]);
  recipe.norm(prompt('mask_downscaling.4'), 16);
  recipe.layer(prompt('mask_downscaling.6'), [NECK, 16, 1, 1]);
}

/** What both mask decoders have. @param mlp Names of the two layers of a perceptron in the transformer */
export function maskDecoder(recipe: Recipe, decoder: string, mlp: readonly [string, string]): void {
  const attention = (key: string, inner: number) => {
    for (const name of ['q_proj', 'k_proj', 'v_proj']) recipe.layer(`${key}.${name}`, [inner, NECK]);
    recipe.layer(`${key}.out_proj`, [NECK, inner]);
  };
  for (const i of [0, 1]) {
    const layer = `${decoder}.transformer.layers.${i}`;
    attention(`${layer}.self_attn`, NECK);
    attention(`${layer}.cross_attn_token_to_image`, CROSS);
    attention(`${layer}.cross_attn_image_to_token`, CROSS);
    recipe.layer(`${layer}.mlp.${mlp[0]}`, [2048, NECK]);
    recipe.layer(`${layer}.mlp.${mlp[1]}`, [NECK, 2048]);
    for (const n of [1, 2, 3, 4]) recipe.norm(`${layer}.norm${n}`, NECK);
  }
  attention(`${decoder}.transformer.final_attn_token_to_image`, CROSS);
  recipe.norm(`${decoder}.transformer.norm_final_attn`, NECK);
  recipe.uniform(`${decoder}.iou_token.weight`, [1, NECK], 1);
  recipe.weight(`${decoder}.mask_tokens`, [MASKS, NECK]);
  const upscale = (layer: number, inputs: number, outputs: number) => {
    recipe.weight(`${decoder}.output_upscaling.${layer}`, [inputs, outputs, 2, 2]);
    recipe.uniform(`${decoder}.output_upscaling.${layer}.bias`, [outputs], 0.1);
  };
  upscale(0, NECK, 64);
  recipe.norm(`${decoder}.output_upscaling.1`, 64);
  upscale(3, 64, 32);
  for (let i = 0; i < MASKS; i++) perceptron(recipe, `${decoder}.output_hypernetworks_mlps.${i}`, 32);
  perceptron(recipe, `${decoder}.iou_prediction_head`, MASKS);
}

/** Three layers of 256 inputs. */
export function perceptron(recipe: Recipe, key: string, outputs: number): void {
  for (const layer of [0, 1]) recipe.layer(`${key}.layers.${layer}`, [NECK, NECK]);
  recipe.layer(`${key}.layers.2`, [outputs, NECK]);
}
