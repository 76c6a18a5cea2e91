// Sine codes of boxes: a vector of sin, cos, sin, cos of one coordinate at two frequencies for each invocation.
struct Params {
  boxes: u32,
}

@group(0) @binding(auto) var<storage, read> boxes: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

const FREQUENCIES = array<vec2f, ${CHANNELS4}>(${FREQUENCIES});
const HALF_PI = 1.57079632679489662;
// What single precision loses of pi / 2.
const HALF_PI_REST = -4.37113883e-8;

// The nearest multiple of pi / 2 is taken off, which leaves at most pi / 4 for Taylor polynomials of degree 9 and 8.
fn sin_cos(angle: vec2f) -> vec4f {
  let turns = round(angle / HALF_PI);
  let rest = fma(turns, vec2f(-HALF_PI_REST), fma(turns, vec2f(-HALF_PI), angle));
  let square = rest * rest;
  let sine = rest * (1.0 + square * (-1.0 / 6.0 + square * (1.0 / 120.0 + square * (-1.0 / 5040.0 + square / 362880.0))));
  let cosine = 1.0 + square * (-0.5 + square * (1.0 / 24.0 + square * (-1.0 / 720.0 + square / 40320.0)));
  let quadrant = vec2u(vec2i(turns)) & vec2u(3u);
  let swapped = (quadrant & vec2u(1u)) == vec2u(1u);
  let s = select(sine, cosine, swapped) * select(vec2f(1.0), vec2f(-1.0), quadrant >= vec2u(2u));
  let flip = (quadrant == vec2u(1u)) | (quadrant == vec2u(2u));
  let c = select(cosine, sine, swapped) * select(vec2f(1.0), vec2f(-1.0), flip);
  return vec4f(s.x, c.x, s.y, c.y);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) invocation: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
  let index = invocation.y * workgroups.x * 64u + invocation.x;
  let box = index / ${4 * CHANNELS4}u;
  if (box >= params.boxes) {
    return;
  }
  // y comes before x.
  let part = index / ${CHANNELS4}u % 4u;
  let value = boxes[box].yxzw[part];
  out[index] = sin_cos(value * FREQUENCIES[index % ${CHANNELS4}u]);
}
