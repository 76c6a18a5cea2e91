import type { Manifest, ManifestTensor } from '@samtrack/models';

type Shape = readonly number[];

/** Encoder blocks of MobileNetV2, `features.1` to `features.17`: output channels and expansion. */
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

const EMBED = 256;
const KEY = 128;
const VALUE = 512;
const MOBILE_CHANNELS = [24, 32, 96, 1280] as const;

/**
 * Weights for DeAOT with the MobileNetV2 encoder, as a recipe with the official keys and shapes: a benchmark needs no
 * download, since speed does not depend on what a network has learned. Scales keep activations finite: convolutions and
 * linear layers sqrt(3 / inputs), which preserves variance, and a little more in front of activations.
 */
export function deaotManifest(layers: number, seed = 7): Manifest {
  const tensors: ManifestTensor[] = [];
  const uniform = (name: string, shape: Shape, scale: number, offset = 0) =>
    tensors.push({ name, shape: [...shape], scale, offset });
  const weight = (name: string, shape: Shape, gain = 1) => {
    const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
    uniform(`${name}.weight`, shape, gain * Math.sqrt(3 / fanIn));
  };
  const layer = (name: string, shape: Shape, gain = 1) => {
    weight(name, shape, gain);
    uniform(`${name}.bias`, [shape[0]!], 0.1);
  };
  const norm = (name: string, channels: number) => {
    uniform(`${name}.weight`, [channels], 0.2, 1);
    uniform(`${name}.bias`, [channels], 0.1);
  };
  const convNorm = (conv: string, batchNorm: string, shape: Shape) => {
    weight(conv, shape, 1.35);
    norm(batchNorm, shape[0]!);
    uniform(`${batchNorm}.running_mean`, [shape[0]!], 0.1);
    uniform(`${batchNorm}.running_var`, [shape[0]!], 0.3, 1);
  };

  const features = 'encoder.features';
  convNorm(`${features}.0.0`, `${features}.0.1`, [32, 3, 3, 3]);
  let channels = 32;
  for (const [i, [outputs, expand]] of MOBILE_BLOCKS.entries()) {
    const block = `${features}.${i + 1}.conv`;
    const width = channels * expand;
    const depthwise = expand === 1 ? 0 : 1;
    if (expand > 1) convNorm(`${block}.0.0`, `${block}.0.1`, [width, channels, 1, 1]);
    convNorm(`${block}.${depthwise}.0`, `${block}.${depthwise}.1`, [width, 1, 3, 3]);
    convNorm(`${block}.${depthwise + 1}`, `${block}.${depthwise + 2}`, [outputs, width, 1, 1]);
    channels = outputs;
  }
  const [c4, c8, c16, last] = MOBILE_CHANNELS;
  convNorm(`${features}.18.0`, `${features}.18.1`, [last, channels, 1, 1]);
  layer('encoder_projector', [EMBED, last, 1, 1]);

  for (let i = 0; i < layers; i++) {
    const key = `LSTT.layers.${i}`;
    norm(`${key}.norm1`, EMBED);
    layer(`${key}.linear_QV`, [KEY + VALUE, EMBED], 1.4);
    layer(`${key}.linear_U`, [VALUE, EMBED]);
    if (i > 0) {
      norm(`${key}.id_norm1`, EMBED);
      layer(`${key}.linear_ID_U`, [VALUE, EMBED]);
    }
    layer(`${key}.linear_ID_V`, [VALUE, i === 0 ? EMBED : 2 * EMBED]);
    for (const attention of ['long_term_attn', 'short_term_attn', 'self_attn']) {
      weight(`${key}.${attention}.dw_conv.conv`, [2 * VALUE, 1, 5, 5]);
      layer(`${key}.${attention}.projection`, [2 * EMBED, 2 * VALUE]);
    }
    layer(`${key}.short_term_attn.relative_emb_k`, [225, KEY, 1, 1]);
    norm(`${key}.norm2`, EMBED);
    norm(`${key}.id_norm2`, EMBED);
    layer(`${key}.self_attn.linear_QK`, [KEY, 2 * EMBED], 1.4);
    for (const name of ['V1', 'V2', 'U1', 'U2']) layer(`${key}.self_attn.linear_${name}`, [VALUE, EMBED]);
  }
  norm('LSTT.decoder_norms.0.gn', 2 * EMBED);

  const decoderConv = (name: string, shape: Shape) => {
    layer(`decoder.${name}.conv`, shape, 1.3);
    norm(`decoder.${name}.gn`, shape[0]!);
  };
  decoderConv('conv_in', [256, 2 * EMBED, 1, 1]);
  decoderConv('conv_16x', [256, 256, 3, 3]);
  decoderConv('conv_8x', [128, 256, 3, 3]);
  decoderConv('conv_4x', [128, 128, 3, 3]);
  layer('decoder.adapter_16x', [256, c16, 1, 1], 1.3);
  layer('decoder.adapter_8x', [256, c8, 1, 1], 1.3);
  layer('decoder.adapter_4x', [128, c4, 1, 1], 1.3);
  layer('decoder.conv_out', [11, 128, 1, 1], 7.8);
  layer('patch_wise_id_bank', [EMBED, 11, 17, 17], 2);
  norm('id_norm', EMBED);
  return { seed, tensors };
}
