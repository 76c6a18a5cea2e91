#if BIAS
@group(0) @binding(${BIAS_BINDING}) var<storage, read> bias: array<${ELEMENT}>;
#endif
#if GATE
@group(0) @binding(${GATE_BINDING}) var<storage, read> gate: array<${ELEMENT}>;
#endif
#if RESIDUAL
@group(0) @binding(${RESIDUAL_BINDING}) var<storage, read> residual: array<${ELEMENT}>;
#endif
@group(0) @binding(${OUT_BINDING}) var<storage, read_write> out: array<${ELEMENT}>;
@group(0) @binding(${PARAMS_BINDING}) var<uniform> params: Params;
