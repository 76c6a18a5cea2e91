// The same for adapters whose subgroups are cheap. Queries of one row of the image meet the same vectors of the table of rows,
// and queries of one column those of the table of columns: a subgroup takes ROWS queries of such a line, whose vectors it
// reads by shuffles, and a lane 4 keys.
enable subgroups;

struct Params {
  height: u32,            // the image of tokens
  width: u32,
  side_y: u32,            // of a window, or of the image
  side_x: u32,
  heads: u32,
  head4: u32,             // head size / 4
  query_stride4: u32,
  query_offset4: u32,
  query_batch4: u32,
  rows4: u32,             // rows / 4, rounded up, and of rows and columns together
  terms4: u32,
  row_units: u32,         // workgroups of the table of rows; those of the table of columns follow
}

@group(0) @binding(auto) var<storage, read> query: array<vec4f>;
@group(0) @binding(auto) var<storage, read> rows: array<vec4f>;
@group(0) @binding(auto) var<storage, read> columns: array<vec4f>;
@group(0) @binding(auto) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(auto) var<uniform> params: Params;

@compute @workgroup_size(${SG})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let along_row = workgroup.x < params.row_units;
  let unit = select(workgroup.x - params.row_units, workgroup.x, along_row);
  let line_length = select(params.height, params.width, along_row);
  let side = select(params.side_x, params.side_y, along_row);
  let side4 = (side + 3u) / 4u;
  // Keys change fastest, then the piece of the line, then the line.
  let chunks = (side4 + ${SG - 1}u) / ${SG}u;
  let pieces = (line_length + ${ROWS - 1}u) / ${ROWS}u;
  let key4 = unit % chunks * ${SG}u + lane;
  let first = unit / chunks % pieces * ${ROWS}u;
  let line = unit / chunks / pieces;
  let tokens = params.height * params.width;
#unroll j 0 LOADS
  let place$j = min(first + ${j * SG}u + lane, line_length - 1u);
  let token$j = select(place$j * params.width + line, line * params.width + place$j, along_row);
  let query_base$j = workgroup.z * params.query_batch4 + token$j * params.query_stride4 + params.query_offset4 +
    workgroup.y * params.head4;
#endunroll
  // Vectors of keys that do not exist are those of others: what comes of them is not read.
  let nearest = i32(line % side + side - 1u) - i32(4u * key4);
  let at = vec4u(max(vec4i(nearest) - vec4i(0, 1, 2, 3), vec4i())) * params.head4;
#unroll r 0 ROWS
  var sum$r = vec4f();
#endunroll
  for (var d = 0u; d < params.head4; d++) {
    var k0 = vec4f();
    var k1 = vec4f();
    var k2 = vec4f();
    var k3 = vec4f();
    if (along_row) {
      k0 = rows[at.x + d];
      k1 = rows[at.y + d];
      k2 = rows[at.z + d];
      k3 = rows[at.w + d];
    } else {
      k0 = columns[at.x + d];
      k1 = columns[at.y + d];
      k2 = columns[at.z + d];
      k3 = columns[at.w + d];
    }
    let x = vec4f(k0.x, k1.x, k2.x, k3.x);
    let y = vec4f(k0.y, k1.y, k2.y, k3.y);
    let z = vec4f(k0.z, k1.z, k2.z, k3.z);
    let w = vec4f(k0.w, k1.w, k2.w, k3.w);
#unroll j 0 LOADS
    let q$j = query[query_base$j + d];
#endunroll
#unroll r 0 ROWS
    let s$r = subgroupShuffle(q${r / SG}, ${r % SG}u);
    sum$r += s$r.x * x + s$r.y * y + s$r.z * z + s$r.w * w;
#endunroll
  }
  let column4 = select(params.rows4, 0u, along_row) + key4;
#unroll r 0 ROWS
  {
    let token = workgroup.z * tokens + subgroupShuffle(token${r / SG}, ${r % SG}u);
    if (key4 < side4 && first + ${r}u < line_length) {
      out[(token * params.heads + workgroup.y) * params.terms4 + column4] = sum$r;
    }
  }
#endunroll
}
