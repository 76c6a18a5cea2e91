// The labels of a token: of all positions in its windows, the TOP_K most similar ones, weighted by a softmax of their
// similarities. SHARED: a workgroup of 32 works on a token, each lane on every 32nd position, and the lists are merged.
// Otherwise an invocation owns a token. Ties go to the earlier frame, then to the earlier position.
struct Params {
  width: u32,
  height: u32,
  score_stride: u32,
  channels4: u32,
  inverse_temperature: f32,
#unroll f 0 FRAMES
  radius$f: u32,
  columns$f: u32,
  offset$f: u32,
#endunroll
}

@group(0) @binding(auto) var<storage, read> scores: array<f32>;
#unroll f 0 FRAMES
@group(0) @binding(auto) var<storage, read> labels$f: array<vec4f>;
#endunroll
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

const NONE = -1.0e30;

#if SHARED
var<workgroup> heads: array<f32, 32>;
var<workgroup> sources: array<u32, 32>;
var<workgroup> tops: array<f32, ${TOP_K}>;
var<workgroup> top_sources: array<u32, ${TOP_K}>;
#endif

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) local: u32,
) {
  let tokens = params.width * params.height;
#if SHARED
  // Every invocation of a workgroup goes the same way: barriers follow.
  let token = min(workgroup.y * workgroups.x + workgroup.x, tokens - 1u);
  let lane = local;
#else
  let token = (workgroup.y * workgroups.x + workgroup.x) * 32u + local;
  if (token >= tokens) {
    return;
  }
  let lane = 0u;
#endif
  let y = i32(token / params.width);
  let x = i32(token % params.width);
  let lead = token % params.width % 8u;   // place among the 8 neighbours whose scores share columns
#unroll k 0 TOP_K
  var best$k = NONE;
  var source$k = 0xffffffffu;
#endunroll
#unroll f 0 FRAMES
  {
    let side = 2u * params.radius$f + 1u;
    let base = token * params.score_stride + params.offset$f + lead;
    for (var e = lane; e < side * side; e += ${LANES}u) {
      let memory_y = y + i32(e / side) - i32(params.radius$f);
      let memory_x = x + i32(e % side) - i32(params.radius$f);
      if (memory_y < 0 || memory_y >= i32(params.height) || memory_x < 0 || memory_x >= i32(params.width)) {
        continue;
      }
      var score = scores[base + e / side * params.columns$f + e % side];
      if (score > best${TOP_K - 1}) {
        var source = ${f}u * tokens + u32(memory_y) * params.width + u32(memory_x);
#unroll k 0 TOP_K
        if (score > best$k) {
          let lower$k = best$k;
          let lower_source$k = source$k;
          best$k = score;
          source$k = source;
          score = lower$k;
          source = lower_source$k;
        }
#endunroll
      }
    }
  }
#endunroll
#if SHARED
  // The lists are sorted: the best of all lanes' heads is next, and its lane moves its list up. A loop, since a software
  // rasteriser compiles every barrier for a minute where there are many.
  for (var k = 0u; k < ${TOP_K}u; k++) {
    heads[lane] = best0;
    sources[lane] = source0;
    workgroupBarrier();
    var top = NONE;
    var top_source = 0xffffffffu;
    for (var l = 0u; l < 32u; l++) {
      if (heads[l] > top || (heads[l] == top && sources[l] < top_source)) {
        top = heads[l];
        top_source = sources[l];
      }
    }
    if (lane == 0u) {
      tops[k] = top;
      top_sources[k] = top_source;
    }
    workgroupBarrier();
    if (source0 == top_source && best0 == top) {
#unroll i 1 TOP_K
      best${i - 1} = best$i;
      source${i - 1} = source$i;
#endunroll
      best${TOP_K - 1} = NONE;
      source${TOP_K - 1} = 0xffffffffu;
    }
  }
#unroll k 0 TOP_K
  let top$k = tops[$k];
  let top_source$k = top_sources[$k];
#endunroll
#else
#unroll k 0 TOP_K
  let top$k = best$k;
  let top_source$k = source$k;
#endunroll
#endif
  var sum = 0.0;
#unroll k 0 TOP_K
  let weight$k = exp((top$k - top0) * params.inverse_temperature);
  sum += weight$k;
#endunroll
#if SHARED
  if (workgroup.y * workgroups.x + workgroup.x >= tokens) {
    return;
  }
#endif
  for (var c = lane; c < params.channels4; c += ${LANES}u) {
    var acc = vec4f();
#unroll k 0 TOP_K
#unroll f 0 FRAMES
    if (top_source$k >= ${f}u * tokens && top_source$k < ${f + 1}u * tokens) {
      acc += weight$k * labels$f[(top_source$k - ${f}u * tokens) * params.channels4 + c];
    }
#endunroll
#endunroll
    out[token * params.channels4 + c] = acc / sum;
  }
}
