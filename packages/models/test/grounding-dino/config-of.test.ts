import { describe, expect, it } from 'vitest';
import { CheckpointError, GROUNDING_DINO_CONFIGS, groundingDinoConfigOf, openManifest } from '../../src/index.js';
import { groundingDinoManifest, MINI_CONFIG, TINY_CONFIG } from '../../src/testing/index.js';
import { deaotManifest } from '../fixtures/deaot/manifest.js';

describe('groundingDinoConfigOf', () => {
  it.each([
    ['the published Swin-T', GROUNDING_DINO_CONFIGS['grounding-dino-t']],
    ['the published Swin-B', GROUNDING_DINO_CONFIGS['grounding-dino-b']],
    ['a small one', MINI_CONFIG],
    ['another backbone', TINY_CONFIG],
  ])('reads the dimensions of %s off the tensors', (_, config) => {
    expect(groundingDinoConfigOf(openManifest(groundingDinoManifest(config, 1)))).toEqual(config);
  });

  it('refuses another model', () => {
    const other = openManifest(deaotManifest(), 'other.pth');
    expect(() => groundingDinoConfigOf(other)).toThrow(CheckpointError);
    expect(() => groundingDinoConfigOf(other)).toThrow(/other\.pth: no Grounding DINO/);
  });
});
