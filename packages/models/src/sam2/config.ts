import type { HieraConfig } from '../encoders/hiera.js';

/** What distinguishes the published SAM 2.1 models. */
export interface Sam2Config extends HieraConfig {
  /** Layers of the memory attention, and the width of their perceptrons. */
  readonly memoryLayers: number;
  readonly memoryHidden: number;
}

const COMMON = {
  imageSize: 1024,
  memoryLayers: 4,
  memoryHidden: 2048,
} as const;

/** The published models (sam2, `configs/sam2.1`). */
export const SAM2_CONFIGS = {
  'sam2.1-tiny': {
    ...COMMON,
    embed: 96,
    heads: 1,
    stages: [1, 2, 7, 2],
    global: [5, 7, 9],
    windows: [8, 4, 14, 7],
  },
  'sam2.1-small': {
    ...COMMON,
    embed: 96,
    heads: 1,
    stages: [1, 2, 11, 2],
    global: [7, 10, 13],
    windows: [8, 4, 14, 7],
  },
  'sam2.1-base-plus': {
    ...COMMON,
    embed: 112,
    heads: 2,
    stages: [2, 3, 16, 3],
    global: [12, 16, 20],
    windows: [8, 4, 14, 7],
  },
  'sam2.1-large': {
    ...COMMON,
    embed: 144,
    heads: 2,
    stages: [2, 6, 36, 4],
    global: [23, 33, 43],
    windows: [8, 4, 16, 8],
  },
} as const satisfies Record<string, Sam2Config>;

/** The sizes that a file states in its metadata, as `config` by the names of sam2; those of the published models do not. */
export function statedConfig({ config: text }: Readonly<Record<string, string>>): Sam2Config | undefined {
  if (text === undefined) return undefined;
  const config = JSON.parse(text);
  return {
    imageSize: config.image_size,
    embed: config.embed_dim,
    heads: config.num_heads,
    stages: config.stages,
    global: config.global_att_blocks,
    windows: config.window_spec,
    memoryLayers: config.mem_layers,
    memoryHidden: config.mem_ffn,
  };
}

/** Name of a published SAM 2.1 model. */
export type Sam2Name = keyof typeof SAM2_CONFIGS;

/** The published model of an encoder's width and depth, if there is one. */
export const publishedName = (embed: number, depth: number): Sam2Name | undefined =>
  (Object.keys(SAM2_CONFIGS) as Sam2Name[]).find((name) => {
    const { embed: width, stages } = SAM2_CONFIGS[name];
    return width === embed && stages.reduce((a: number, b) => a + b, 0) === depth;
  });

/** Channels of image features, tokens and pointers. */
export const FEATURES = 256;

/** Channels of memories. */
export const MEMORY_CHANNELS = 64;

/** Pixels of the network's image that one position of the features stands for, along each axis. */
export const FEATURE_STRIDE = 16;

/** Frames whose pointers the memory attention sees at most (sam2, `max_obj_ptrs_in_encoder`). */
export const POINTER_FRAMES = 16;

/** Memories of frames that the memory attention sees at most, a conditioning one included (sam2, `num_maskmem`). */
export const MEMORY_FRAMES = 7;
