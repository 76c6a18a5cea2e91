import { oneOf, optional } from '../../op/arguments.js';
import activationWgsl from './activation.wgsl';

/** Functions fused behind a product, a convolution or a normalisation. GELU is the exact, erf-based form. */
export type Activation = (typeof ACTIVATIONS)[number];
const ACTIVATIONS = ['none', 'relu', 'relu6', 'silu', 'sigmoid', 'gelu'] as const;

/** The name of an activation, or none, as an argument of an operation. */
export const activation = optional(oneOf(ACTIVATIONS));

/** For kernels that `#include "activation"`: `fn activate(x: vec4f) -> vec4f`, by the parameter `ACTIVATION`. */
export const ACTIVATION_INCLUDES = { activation: activationWgsl };
