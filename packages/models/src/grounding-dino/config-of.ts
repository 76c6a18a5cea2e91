import { type Checkpoint, CheckpointError, withOfficialKeys } from '../checkpoint/index.js';
import type { GroundingDinoConfig } from './config.js';

/**
 * Reads a model's dimensions off its tensors, under the official names or those of Hugging Face transformers.
 * @throws CheckpointError `wrong-architecture` for a file that holds no Grounding DINO with a Swin backbone.
 */
export function groundingDinoConfigOf(checkpoint: Checkpoint): GroundingDinoConfig {
  const official = withOfficialKeys(checkpoint);
  const shape = (key: string) => {
    if (official.has(key)) return official.info(key).shape;
    throw new CheckpointError('wrong-architecture', `no Grounding DINO with a Swin backbone: it lacks "${key}"`, {
      file: checkpoint.file,
      key,
    });
  };
  const count = (prefix: string) => {
    const indices = official.keys
      .filter((key) => key.startsWith(prefix))
      .map((key) => Number.parseInt(key.slice(prefix.length), 10));
    return 1 + Math.max(-1, ...indices);
  };
  const queries = shape('transformer.tgt_embed.weight')[0]!;
  const embed = shape('backbone.0.patch_embed.proj.weight')[0]!;
  const stages = Array.from(
    { length: count('backbone.0.layers.') },
    (_, stage) => `backbone.0.layers.${stage}.blocks.`,
  );
  const tables = stages.map((blocks) => shape(`${blocks}0.attn.relative_position_bias_table`));
  return {
    backbone: {
      embed,
      depths: stages.map(count),
      heads: tables.map(([, heads]) => heads!),
      window: (Math.sqrt(tables[0]![0]!) + 1) / 2,
      exported: stages.flatMap((_, stage) => (official.has(`backbone.0.norm${stage}.weight`) ? [stage] : [])),
    },
    textLayers: count('bert.encoder.layer.'),
    encoderLayers: count('transformer.encoder.layers.'),
    decoderLayers: count('transformer.decoder.layers.'),
    queries,
  };
}
