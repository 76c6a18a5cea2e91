import type { Manifest, VitDetConfig } from '@samtrack/models';
import { Recipe } from './recipe.js';

const NECK = 256;

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
