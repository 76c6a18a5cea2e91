@group(0) @binding(auto) var<storage, read> a: array<${ELEMENT}>;
@group(0) @binding(auto) var<storage, read> b: array<${B_ELEMENT}>;
#include "epilogue-bindings"
