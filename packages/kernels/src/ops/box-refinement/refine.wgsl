// Boxes moved in the space of logits.
struct Params {
  boxes: u32,
  eps: f32,
}

@group(0) @binding(auto) var<storage, read> delta: array<vec4f>;
@group(0) @binding(auto) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= params.boxes) {
    return;
  }
  let box = clamp(boxes[id.x], vec4f(), vec4f(1.0));
  let eps = vec4f(params.eps);
  // sigmoid(delta + log(odds)), with a move so far that its exponential would overflow cut off.
  let odds = max(box, eps) / max(1.0 - box, eps);
  let moved = odds * exp(clamp(delta[id.x], vec4f(-60.0), vec4f(60.0)));
  out[id.x] = moved / (1.0 + moved);
}
