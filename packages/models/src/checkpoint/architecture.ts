import { CheckpointError } from './error.js';
import { withOfficialKeys } from './key-maps/index.js';
import type { Checkpoint } from './types.js';

/** A model whose weights a file may hold. DeAOT-B and -L have the same tensors: they differ in memory policy only. */
export type Architecture =
  | { readonly family: 'deaot'; readonly encoder: 'mobilenetv2' | 'resnet50' | 'swin-b'; readonly layers: number }
  | { readonly family: 'sam'; readonly encoder: 'vit-b' | 'vit-l' | 'vit-h' | 'vit-other' | 'tiny-vit' }
  | { readonly family: 'sam2'; readonly encoder: 'tiny' | 'small' | 'base-plus' | 'large' | 'other' }
  | {
      readonly family: 'grounding-dino';
      readonly encoder: 'swin-t' | 'swin-b' | 'swin-other';
      readonly layers: number;
    };

/** What a person calls it, with the name of the `--model` option where there is one. */
export function describeArchitecture(architecture: Architecture): string {
  const names = modelNames(architecture).join(' or ') || 'no published variant';
  switch (architecture.family) {
    case 'deaot':
      return `DeAOT, ${architecture.encoder} encoder, ${layerCount(architecture.layers)} (${names})`;
    case 'sam':
      return `Segment Anything, ${architecture.encoder} encoder (${names})`;
    case 'sam2':
      return `SAM 2.1, ${architecture.encoder} encoder (${names})`;
    case 'grounding-dino':
      return `Grounding DINO, ${architecture.encoder} backbone, ${layerCount(architecture.layers)} (${names})`;
  }
}

const layerCount = (layers: number): string => `${layers} layer${layers === 1 ? '' : 's'}`;

/** Names of published models that have these tensors. */
export function modelNames(architecture: Architecture): string[] {
  switch (architecture.family) {
    case 'deaot': {
      const { encoder, layers } = architecture;
      if (encoder === 'mobilenetv2') return [['deaot-t'], ['deaot-s'], ['deaot-b', 'deaot-l']][layers - 1] ?? [];
      if (layers !== 3) return [];
      return encoder === 'resnet50' ? ['r50-deaot-l'] : ['swinb-deaot-l'];
    }
    case 'sam':
      if (architecture.encoder === 'tiny-vit') return ['mobile-sam'];
      return architecture.encoder === 'vit-other' ? [] : [`sam-${architecture.encoder}`];
    case 'sam2':
      return architecture.encoder === 'other' ? [] : [`sam2.1-${architecture.encoder}`];
    case 'grounding-dino':
      if (architecture.encoder === 'swin-other' || architecture.layers !== 6) return [];
      return [`grounding-dino-${architecture.encoder.slice(-1)}`];
  }
}

/**
 * Tells the model from keys (official ones, or those of Hugging Face transformers) and a few shapes; `undefined` for none that we know.
 * @throws CheckpointError `wrong-architecture` for AOT and SAM 2.0, which resemble DeAOT and SAM 2.1 and are other models
 */
export function detectArchitecture(checkpoint: Checkpoint): Architecture | undefined {
  const official = withOfficialKeys(checkpoint);
  return detectDeAOT(official) ?? detectSam2(official) ?? detectSam(official) ?? detectGroundingDino(official);
}

function detectDeAOT(checkpoint: Checkpoint): Architecture | undefined {
  const { keys, file } = checkpoint;
  const layers = countLayers(keys, /^LSTT\.layers\.(\d+)\./);
  if (layers === 0) return undefined;
  if (checkpoint.has('LSTT.mask_token') || keys.some((key) => /^LSTT\.layers\.\d+\..*relative_emb_v/.test(key))) {
    throw new CheckpointError(
      'wrong-architecture',
      'this is AOT, not DeAOT: its layers are different. Use a DeAOT file',
      {
        file,
      },
    );
  }
  const starts = (prefix: string) => keys.some((key) => key.startsWith(prefix));
  if (starts('encoder.features.')) return { family: 'deaot', encoder: 'mobilenetv2', layers };
  if (starts('encoder.layer1.')) return { family: 'deaot', encoder: 'resnet50', layers };
  if (starts('encoder.layers.')) return { family: 'deaot', encoder: 'swin-b', layers };
  return undefined;
}

/** Width and depth of the published encoders. */
const SAM2_ENCODERS = { tiny: [96, 12], small: [96, 16], 'base-plus': [112, 24], large: [144, 48] } as const;

function detectSam2(checkpoint: Checkpoint): Architecture | undefined {
  if (!checkpoint.has('image_encoder.trunk.patch_embed.proj.weight')) return undefined;
  if (checkpoint.has('memory_attention.norm.weight') && !checkpoint.has('no_obj_embed_spatial')) {
    throw new CheckpointError(
      'wrong-architecture',
      'this is SAM 2.0, not SAM 2.1: it lacks "no_obj_embed_spatial". Use a file of SAM 2.1 (sam2.1_hiera_*.pt)',
      { file: checkpoint.file, key: 'no_obj_embed_spatial' },
    );
  }
  const width = firstDimension(checkpoint, 'image_encoder.trunk.patch_embed.proj.weight');
  const depth = countLayers(checkpoint.keys, /^image_encoder\.trunk\.blocks\.(\d+)\./);
  const found = Object.entries(SAM2_ENCODERS).find(([, size]) => size[0] === width && size[1] === depth);
  return { family: 'sam2', encoder: (found?.[0] ?? 'other') as keyof typeof SAM2_ENCODERS | 'other' };
}

function detectSam(checkpoint: Checkpoint): Architecture | undefined {
  const { keys } = checkpoint;
  // With and without the prefix: MobileSAM's encoder is also passed around alone.
  if (keys.some((key) => key.endsWith('patch_embed.seq.0.c.weight'))) return { family: 'sam', encoder: 'tiny-vit' };
  if (!keys.some((key) => key.startsWith('mask_decoder.') || key.startsWith('image_encoder.'))) return undefined;
  const width = firstDimension(checkpoint, 'image_encoder.patch_embed.proj.weight');
  const depth = countLayers(keys, /^image_encoder\.blocks\.(\d+)\./);
  if (width === 768 && depth === 12) return { family: 'sam', encoder: 'vit-b' };
  if (width === 1024 && depth === 24) return { family: 'sam', encoder: 'vit-l' };
  if (width === 1280 && depth === 32) return { family: 'sam', encoder: 'vit-h' };
  return { family: 'sam', encoder: 'vit-other' };
}

function detectGroundingDino(checkpoint: Checkpoint): Architecture | undefined {
  const { keys } = checkpoint;
  if (!keys.some((key) => key.startsWith('transformer.encoder.fusion_layers.'))) return undefined;
  const width = firstDimension(checkpoint, 'backbone.0.patch_embed.proj.weight');
  const depth = countLayers(keys, /^backbone\.0\.layers\.2\.blocks\.(\d+)\./);
  const layers = countLayers(keys, /^transformer\.encoder\.layers\.(\d+)\./);
  const encoder = width === 96 && depth === 6 ? 'swin-t' : width === 128 && depth === 18 ? 'swin-b' : 'swin-other';
  return { family: 'grounding-dino', encoder, layers };
}

/** Highest index that `pattern` captures, plus one. */
function countLayers(keys: readonly string[], pattern: RegExp): number {
  let count = 0;
  for (const key of keys) {
    const match = pattern.exec(key);
    if (match) count = Math.max(count, Number(match[1]) + 1);
  }
  return count;
}

function firstDimension(checkpoint: Checkpoint, key: string): number | undefined {
  return checkpoint.has(key) ? checkpoint.info(key).shape[0] : undefined;
}
