import type { DeAotConfig, Manifest } from '@samtrack/models';
import { ENCODER_RECIPES } from './encoders.js';
import { Recipe } from './recipe.js';

const EMBED = 256;
const KEY = 128;
const VALUE = 512;

/** Weights of DeAOT. */
export function deaotManifest({ encoder, channels, layers, idBank }: DeAotConfig): Manifest {
  const recipe = new Recipe();
  const [c4, c8, c16, last] = channels;
  ENCODER_RECIPES[encoder](recipe, 'encoder.');
  recipe.layer('encoder_projector', [EMBED, last, 1, 1]);
  for (let i = 0; i < layers; i++) propagationRecipe(recipe, i);
  recipe.norm('LSTT.decoder_norms.0.gn', 2 * EMBED);

  const decoderConv = (name: string, shape: readonly number[]) => {
    recipe.layer(`decoder.${name}.conv`, shape, 1.3);
    recipe.norm(`decoder.${name}.gn`, shape[0]!);
  };
  decoderConv('conv_in', [256, 2 * EMBED, 1, 1]);
  decoderConv('conv_16x', [256, 256, 3, 3]);
  decoderConv('conv_8x', [128, 256, 3, 3]);
  decoderConv('conv_4x', [128, 128, 3, 3]);
  recipe.layer('decoder.adapter_16x', [256, c16, 1, 1], 1.3);
  recipe.layer('decoder.adapter_8x', [256, c8, 1, 1], 1.3);
  recipe.layer('decoder.adapter_4x', [128, c4, 1, 1], 1.3);
  recipe.layer('decoder.conv_out', [11, 128, 1, 1], 7.8);
  recipe.layer('patch_wise_id_bank', [EMBED, 11, idBank.kernel, idBank.kernel], 2);
  recipe.norm('id_norm', EMBED);
  return recipe.manifest;
}

/** A gated propagation module. */
function propagationRecipe(recipe: Recipe, index: number): void {
  const key = `LSTT.layers.${index}`;
  const first = index === 0;
  recipe.norm(`${key}.norm1`, EMBED);
  recipe.layer(`${key}.linear_QV`, [KEY + VALUE, EMBED], 1.4);
  recipe.layer(`${key}.linear_U`, [VALUE, EMBED]);
  if (!first) {
    recipe.norm(`${key}.id_norm1`, EMBED);
    recipe.layer(`${key}.linear_ID_U`, [VALUE, EMBED]);
  }
  recipe.layer(`${key}.linear_ID_V`, [VALUE, first ? EMBED : 2 * EMBED]);
  for (const attention of ['long_term_attn', 'short_term_attn', 'self_attn']) {
    recipe.weight(`${key}.${attention}.dw_conv.conv`, [2 * VALUE, 1, 5, 5]);
    recipe.layer(`${key}.${attention}.projection`, [2 * EMBED, 2 * VALUE]);
  }
  recipe.layer(`${key}.short_term_attn.relative_emb_k`, [225, KEY, 1, 1]);
  recipe.norm(`${key}.norm2`, EMBED);
  recipe.norm(`${key}.id_norm2`, EMBED);
  recipe.layer(`${key}.self_attn.linear_QK`, [KEY, 2 * EMBED], 1.4);
  for (const name of ['V1', 'V2', 'U1', 'U2']) recipe.layer(`${key}.self_attn.linear_${name}`, [VALUE, EMBED]);
}
