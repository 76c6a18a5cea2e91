#if ACTIVATION == 'none'
fn activate(x: vec4f) -> vec4f { return x; }
#elif ACTIVATION == 'relu'
fn activate(x: vec4f) -> vec4f { return max(x, vec4f()); }
#elif ACTIVATION == 'relu6'
fn activate(x: vec4f) -> vec4f { return clamp(x, vec4f(), vec4f(6.0)); }
#elif ACTIVATION == 'silu'
fn activate(x: vec4f) -> vec4f { return x / (1.0 + exp(-x)); }
#elif ACTIVATION == 'sigmoid'
fn activate(x: vec4f) -> vec4f { return 1.0 / (1.0 + exp(-x)); }
#elif ACTIVATION == 'gelu'
// Exact form, 0.5 x (1 + erf(x / sqrt 2)); erf after Abramowitz and Stegun 7.1.26 would be off by 1.5e-7 absolutely, which
// shows after many layers, so the complementary function is evaluated by a degree-9 rational fit (Numerical Recipes erfc).
fn erf4(x: vec4f) -> vec4f {
  let z = abs(x);
  let t = 1.0 / (1.0 + 0.5 * z);
  let poly = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 +
    t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let tail = t * exp(-z * z + poly);
  return select(tail - 1.0, 1.0 - tail, x >= vec4f());
}
fn activate(x: vec4f) -> vec4f { return 0.5 * x * (1.0 + erf4(x * 0.70710678118654752)); }
#endif
