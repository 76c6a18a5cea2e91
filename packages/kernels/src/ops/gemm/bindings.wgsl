@group(0) @binding(0) var<storage, read> a: array<${ELEMENT}>;
@group(0) @binding(1) var<storage, read> b: array<${B_ELEMENT}>;
#include "epilogue-bindings"
