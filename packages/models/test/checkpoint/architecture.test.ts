import { describe, expect, it } from 'vitest';
import { describeArchitecture, detectArchitecture, modelNames, openManifest } from '../../src/checkpoint/index.js';

const checkpoint = (tensors: Record<string, number[]>) =>
  openManifest(
    { seed: 1, tensors: Object.entries(tensors).map(([name, shape]) => ({ name, shape, scale: 1, offset: 0 })) },
    'x.pth',
  );

const lstt = (layers: number) =>
  Object.fromEntries(Array.from({ length: layers }, (_, i) => [`LSTT.layers.${i}.norm1.weight`, [256]]));
const sam = (width: number, depth: number) => ({
  'image_encoder.patch_embed.proj.weight': [width, 3, 16, 16],
  [`image_encoder.blocks.${depth - 1}.norm1.weight`]: [width],
});
const sam2 = (width: number, depth: number, marker = true) => ({
  'image_encoder.trunk.patch_embed.proj.weight': [width, 3, 7, 7],
  [`image_encoder.trunk.blocks.${depth - 1}.norm1.weight`]: [width],
  'memory_attention.norm.weight': [256],
  ...(marker ? { no_obj_embed_spatial: [1, 64] } : {}),
});
const dino = (width: number, depth: number, layers = 6) => ({
  'transformer.encoder.fusion_layers.0.gamma_v': [256],
  [`transformer.encoder.layers.${layers - 1}.norm1.weight`]: [256],
  'backbone.0.patch_embed.proj.weight': [width, 3, 4, 4],
  [`backbone.0.layers.2.blocks.${depth - 1}.norm1.weight`]: [4 * width],
});

describe('detectArchitecture', () => {
  it.each<[string[], Record<string, number[]>]>([
    [['deaot-t'], { 'encoder.features.0.0.weight': [1], ...lstt(1) }],
    [['deaot-s'], { 'encoder.features.0.0.weight': [1], ...lstt(2) }],
    [['deaot-b', 'deaot-l'], { 'encoder.features.0.0.weight': [1], ...lstt(3) }],
    [[], { 'encoder.features.0.0.weight': [1], ...lstt(4) }],
    [['r50-deaot-l'], { 'encoder.layer1.0.conv1.weight': [1], ...lstt(3) }],
    [[], { 'encoder.layer1.0.conv1.weight': [1], ...lstt(2) }],
    [['swinb-deaot-l'], { 'encoder.layers.0.blocks.0.norm1.weight': [1], ...lstt(3) }],
    [['sam-vit-b'], sam(768, 12)],
    [['sam-vit-l'], sam(1024, 24)],
    [['sam-vit-h'], sam(1280, 32)],
    [[], sam(96, 4)],
    [['mobile-sam'], { 'image_encoder.patch_embed.seq.0.c.weight': [1], 'mask_decoder.x': [1] }],
    [['mobile-sam'], { 'patch_embed.seq.0.c.weight': [1] }],
    [['sam2.1-tiny'], sam2(96, 12)],
    [['sam2.1-small'], sam2(96, 16)],
    [['sam2.1-base-plus'], sam2(112, 24)],
    [['sam2.1-large'], sam2(144, 48)],
    [[], sam2(32, 8)],
    [['grounding-dino-t'], dino(96, 6)],
    [['grounding-dino-b'], dino(128, 18)],
    [[], dino(96, 6, 2)],
    [[], dino(64, 2)],
  ])('%j', (names, tensors) => {
    const architecture = detectArchitecture(checkpoint(tensors));
    expect(architecture && modelNames(architecture)).toEqual(names);
    expect(architecture && describeArchitecture(architecture)).toContain(names.join(' or ') || 'no published variant');
  });

  it('knows nothing of other models', () => {
    expect(detectArchitecture(checkpoint({ 'conv1.weight': [1] }))).toBeUndefined();
    expect(detectArchitecture(checkpoint(lstt(1)))).toBeUndefined();
  });

  it('refuses SAM 2.0, by what it lacks', () => {
    expect(() => detectArchitecture(checkpoint(sam2(96, 12, false)))).toThrow(
      expect.objectContaining({
        code: 'wrong-architecture',
        message: expect.stringMatching(/x\.pth: this is SAM 2\.0, not SAM 2\.1/),
      }),
    );
  });

  it.each(['LSTT.mask_token', 'LSTT.layers.0.short_term_attn.relative_emb_v'])('refuses AOT, known by %s', (key) => {
    const aot = checkpoint({ 'encoder.features.0.0.weight': [1], ...lstt(1), [key]: [1] });
    expect(() => detectArchitecture(aot)).toThrow(
      expect.objectContaining({
        code: 'wrong-architecture',
        message: expect.stringMatching(/x\.pth: this is AOT, not DeAOT/),
      }),
    );
  });
});
