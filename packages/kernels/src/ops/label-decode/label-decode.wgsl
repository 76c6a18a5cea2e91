// From quarter-resolution logits straight to a label map of the video's size: bilinear interpolation, masking of unused
// identities, merging of groups and argmax for each output pixel, without ever holding logits at full resolution.
struct Params {
  in_width: u32,
  in_height: u32,
  out_width: u32,
  out_height: u32,
  scale_x: f32,
  scale_y: f32,
  shift: f32,        // 0.5 for half-pixel centres, 0 for aligned corners
  groups: u32,
  objects: u32,      // ids 1..objects exist
}

@group(0) @binding(auto) var<storage, read> logits: array<vec4f>;   // [group][in_height][in_width][3]
@group(0) @binding(auto) var<storage, read_write> labels: array<i32>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(num_workgroups) workgroups: vec3u, @builtin(local_invocation_index) local: u32) {
  let pixel = (workgroup.y * workgroups.x + workgroup.x) * 64u + local;
  if (pixel >= params.out_width * params.out_height) {
    return;
  }
  let x = max((f32(pixel % params.out_width) + params.shift) * params.scale_x - params.shift, 0.0);
  let y = max((f32(pixel / params.out_width) + params.shift) * params.scale_y - params.shift, 0.0);
  let x0 = min(u32(x), params.in_width - 1u);
  let y0 = min(u32(y), params.in_height - 1u);
  let x1 = min(x0 + 1u, params.in_width - 1u);
  let y1 = min(y0 + 1u, params.in_height - 1u);
  let fx = x - f32(x0);
  let fy = y - f32(y0);
#if MERGE
  var background = 1.0;
#endif
  var best = -3.0e38;
  var label = 0;
  for (var group = 0u; group < params.groups; group++) {
    let base = group * params.in_height * params.in_width;
    // Channels of this group that exist: background and up to ten identities.
    let channels = min(params.objects - group * 10u, 10u) + 1u;
    var value = array<vec4f, 3>(vec4f(-1.0e10), vec4f(-1.0e10), vec4f(-1.0e10));
    for (var v = 0u; v < 3u; v++) {
      if (v * 4u < channels) {
        let top = (1.0 - fx) * logits[(base + y0 * params.in_width + x0) * 3u + v] + fx * logits[(base + y0 * params.in_width + x1) * 3u + v];
        let bottom = (1.0 - fx) * logits[(base + y1 * params.in_width + x0) * 3u + v] + fx * logits[(base + y1 * params.in_width + x1) * 3u + v];
        let exists = vec4u(v * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(channels);
        value[v] = select(vec4f(-1.0e10), (1.0 - fy) * top + fy * bottom, exists);
      }
    }
#if MERGE
    // Soft aggregation: a group's probabilities, clamped; backgrounds multiply.
    let high4 = max(value[0], max(value[1], value[2]));
    let highest = max(max(high4.x, high4.y), max(high4.z, high4.w));
    let e0 = exp(value[0] - highest);
    let e1 = exp(value[1] - highest);
    let e2 = exp(value[2] - highest);
    let sum = dot(e0 + e1 + e2, vec4f(1.0));
    background *= e0.x / sum;
    let probability = array<vec4f, 3>(e0 / sum, e1 / sum, e2 / sum);
    for (var c = 1u; c < channels; c++) {
      let p = clamp(probability[c / 4u][c % 4u], 1.0e-5, 1.0 - 1.0e-5);
      if (p > best) {
        best = p;
        label = i32(group * 10u + c);
      }
    }
#else
    for (var c = 0u; c < channels; c++) {
      let candidate = value[c / 4u][c % 4u];
      if (candidate > best) {
        best = candidate;
        label = i32(c);
      }
    }
#endif
  }
#if MERGE
  // Ties go to the lower id, and background is the lowest.
  if (clamp(background, 1.0e-5, 1.0 - 1.0e-5) >= best) {
    label = 0;
  }
#endif
  labels[pixel] = label;
}
