import activationWgsl from './activation.wgsl';

/** Functions fused behind a product, a convolution or a normalisation. GELU is the exact, erf-based form. */
export type Activation = 'none' | 'relu' | 'relu6' | 'silu' | 'sigmoid' | 'gelu';

/** For kernels that `#include "activation"`: `fn activate(x: vec4f) -> vec4f`, by the parameter `ACTIVATION`. */
export const ACTIVATION_INCLUDES = { activation: activationWgsl };
