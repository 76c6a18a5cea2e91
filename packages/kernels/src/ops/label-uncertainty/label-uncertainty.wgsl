// For each position of the logits: the label, and how undecided the probabilities behind it are.
struct Params {
  positions: u32,    // height * width
  groups: u32,
  objects: u32,      // ids 1..objects exist
  inverse_log: f32,  // 1 / ln(objects + 1)
}

@group(0) @binding(auto) var<storage, read> logits: array<vec4f>;   // [group][position][3]
@group(0) @binding(auto) var<storage, read_write> result: array<vec2f>;
@group(0) @binding(auto) var<uniform> params: Params;

// p ln p, with its limit at 0.
fn p_log_p(p: f32) -> f32 {
  return select(0.0, p * log(max(p, 1.0e-30)), p > 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let position = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (position >= params.positions) {
    return;
  }
  var background = 1.0;
  var total = 0.0;
  var weighted = 0.0;
  var best = -1.0;
  var label = 0u;
  for (var group = 0u; group < params.groups; group++) {
    let channels = min(params.objects - group * 10u, 10u) + 1u;
    var value = array<vec4f, 3>(vec4f(0.0), vec4f(0.0), vec4f(0.0));
    for (var v = 0u; v < 3u; v++) {
      let exists = vec4u(v * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(channels);
      value[v] = select(vec4f(-1.0e10), logits[(group * params.positions + position) * 3u + v], exists);
    }
    let high4 = max(value[0], max(value[1], value[2]));
    let highest = max(max(high4.x, high4.y), max(high4.z, high4.w));
    let e0 = exp(value[0] - highest);
    let e1 = exp(value[1] - highest);
    let e2 = exp(value[2] - highest);
    let sum = dot(e0 + e1 + e2, vec4f(1.0));
    background *= e0.x / sum;
    let probability = array<vec4f, 3>(e0 / sum, e1 / sum, e2 / sum);
    for (var c = 1u; c < channels; c++) {
      var p = probability[c / 4u][c % 4u];
#if MERGE
      p = clamp(p, 1.0e-5, 1.0 - 1.0e-5);
#endif
      total += p;
      weighted += p_log_p(p);
      if (p > best) {
        best = p;
        label = group * 10u + c;
      }
    }
  }
#if MERGE
  background = clamp(background, 1.0e-5, 1.0 - 1.0e-5);
#endif
  total += background;
  weighted += p_log_p(background);
  // Ties go to the lower id, and background is the lowest.
  if (background >= best) {
    label = 0u;
  }
  // Of p / total: -sum(p / total * ln(p / total)).
  let entropy = log(total) - weighted / total;
  result[position] = vec2f(f32(label), clamp(entropy * params.inverse_log, 0.0, 1.0));
}
