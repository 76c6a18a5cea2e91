// Second pass of group normalisation: a workgroup merges the chunks of one group by the parallel formula of Chan, Golub
// and LeVeque and leaves (mean, 1 / sqrt(variance + eps)). A few workgroups in all, so its barriers are cheap everywhere.
struct Params {
  positions: u32,
  c4: u32,          // channels / 4
  chunk: u32,
  chunks: u32,
  group4: u32,      // channels of a group / 4
  eps: f32,
}

@group(0) @binding(auto) var<storage, read> moments: array<vec2f>;
@group(0) @binding(auto) var<storage, read_write> statistics: array<vec2f>;
@group(0) @binding(auto) var<uniform> params: Params;

const LANES = 64u;
// (count, mean, sum of squared differences)
var<workgroup> partial: array<vec3f, LANES>;

fn merge(a: vec3f, b: vec3f) -> vec3f {
  let count = a.x + b.x;
  if (count == 0.0) {
    return a;
  }
  let d = b.y - a.y;
  return vec3f(count, a.y + d * (b.x / count), a.z + b.z + d * d * (a.x * (b.x / count)));
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) local: u32) {
  let group = workgroup.x;
  var state = vec3f();
  for (var i = local; i < params.group4 * params.chunks; i += LANES) {
    let chunk = i / params.group4;
    let part = moments[chunk * params.c4 + group * params.group4 + i % params.group4];
    let positions = min(params.chunk, params.positions - chunk * params.chunk);
    state = merge(state, vec3f(f32(4u * positions), part));
  }
  partial[local] = state;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) {
      partial[local] = merge(partial[local], partial[local + step]);
    }
  }
  if (local == 0u) {
    let total = partial[0];
    statistics[group] = vec2f(total.y, inverseSqrt(total.z / total.x + params.eps));
  }
}
