import type { DeAotConfig } from '@samtrack/models';
import type { Recipe } from './recipe.js';

/** Blocks of MobileNetV2, `features.1` to `features.17`: output channels and expansion. */
const MOBILE_BLOCKS: readonly (readonly [outputs: number, expand: number])[] = [
  [16, 1],
  [24, 6],
  [24, 6],
  [32, 6],
  [32, 6],
  [32, 6],
  [64, 6],
  [64, 6],
  [64, 6],
  [64, 6],
  [96, 6],
  [96, 6],
  [96, 6],
  [160, 6],
  [160, 6],
  [160, 6],
  [320, 6],
];

function mobileNetV2(recipe: Recipe, key: string): void {
  const features = `${key}features`;
  recipe.convNorm(`${features}.0.0`, `${features}.0.1`, [32, 3, 3, 3]);
  let channels = 32;
  for (const [i, [outputs, expand]] of MOBILE_BLOCKS.entries()) {
    const block = `${features}.${i + 1}.conv`;
    const width = channels * expand;
    const depthwise = expand === 1 ? 0 : 1;
    if (expand > 1) recipe.convNorm(`${block}.0.0`, `${block}.0.1`, [width, channels, 1, 1]);
    recipe.convNorm(`${block}.${depthwise}.0`, `${block}.${depthwise}.1`, [width, 1, 3, 3]);
    recipe.convNorm(`${block}.${depthwise + 1}`, `${block}.${depthwise + 2}`, [outputs, width, 1, 1]);
    channels = outputs;
  }
  recipe.convNorm(`${features}.18.0`, `${features}.18.1`, [1280, channels, 1, 1]);
}

/** The first three stages of ResNet-50, which is all that DeAOT has of it. */
function resNet50(recipe: Recipe, key: string): void {
  recipe.convNorm(`${key}conv1`, `${key}bn1`, [64, 3, 7, 7]);
  let channels = 64;
  for (const [stage, blocks] of [3, 4, 6].entries()) {
    const width = 64 * 2 ** stage;
    for (let i = 0; i < blocks; i++) {
      const block = `${key}layer${stage + 1}.${i}`;
      recipe.convNorm(`${block}.conv1`, `${block}.bn1`, [width, channels, 1, 1]);
      recipe.convNorm(`${block}.conv2`, `${block}.bn2`, [width, width, 3, 3]);
      // Small, since sixteen blocks add up.
      recipe.convNorm(`${block}.conv3`, `${block}.bn3`, [4 * width, width, 1, 1], 0.4);
      if (i === 0) recipe.convNorm(`${block}.downsample.0`, `${block}.downsample.1`, [4 * width, channels, 1, 1], 1);
      channels = 4 * width;
    }
  }
}

/** A Swin transformer with a norm on the output of each of `outputs`. */
function swin(
  recipe: Recipe,
  key: string,
  config: {
    embed: number;
    depths: readonly number[];
    heads: readonly number[];
    window: number;
    outputs: readonly number[];
  },
): void {
  const { embed, depths, heads, window, outputs } = config;
  recipe.layer(`${key}patch_embed.proj`, [embed, 3, 4, 4]);
  recipe.norm(`${key}patch_embed.norm`, embed);
  for (const [stage, depth] of depths.entries()) {
    const channels = embed * 2 ** stage;
    for (let i = 0; i < depth; i++) {
      const block = `${key}layers.${stage}.blocks.${i}`;
      recipe.norm(`${block}.norm1`, channels);
      recipe.layer(`${block}.attn.qkv`, [3 * channels, channels]);
      recipe.layer(`${block}.attn.proj`, [channels, channels], 0.5);
      recipe.uniform(`${block}.attn.relative_position_bias_table`, [(2 * window - 1) ** 2, heads[stage]!], 0.5);
      recipe.norm(`${block}.norm2`, channels);
      recipe.layer(`${block}.mlp.fc1`, [4 * channels, channels]);
      recipe.layer(`${block}.mlp.fc2`, [channels, 4 * channels], 0.5);
    }
    if (stage + 1 < depths.length) {
      recipe.weight(`${key}layers.${stage}.downsample.reduction`, [2 * channels, 4 * channels]);
      recipe.norm(`${key}layers.${stage}.downsample.norm`, 4 * channels);
    }
  }
  for (const stage of outputs) recipe.norm(`${key}norm${stage}`, embed * 2 ** stage);
}

/** Weights of DeAOT's encoders. */
export const ENCODER_RECIPES: Readonly<Record<DeAotConfig['encoder'], (recipe: Recipe, key: string) => void>> = {
  'mobilenet-v2': mobileNetV2,
  'resnet-50': resNet50,
  'swin-b': (recipe, key) =>
    swin(recipe, key, { embed: 128, depths: [2, 2, 18], heads: [4, 8, 16], window: 7, outputs: [0, 1, 2] }),
};
