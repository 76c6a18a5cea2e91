#if BIAS
@group(0) @binding(auto) var<storage, read> bias: array<${ELEMENT}>;
#endif
#if GATE
@group(0) @binding(auto) var<storage, read> gate: array<${ELEMENT}>;
#endif
#if RESIDUAL
@group(0) @binding(auto) var<storage, read> residual: array<${ELEMENT}>;
#endif
@group(0) @binding(auto) var<storage, read_write> out: array<${ELEMENT}>;
@group(0) @binding(auto) var<uniform> params: Params;
