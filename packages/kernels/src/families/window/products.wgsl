// Dot products of 8 queries and the keys in a row of their windows, which overlap: a sum for each query and each key of this
// lane. Every lane loads its own keys; queries are shared by shuffles, or loaded by every lane.
#unroll r 0 8
#unroll j 0 PER_LANE
  var score${r}_${j} = 0.0;
#endunroll
#endunroll
  for (var c = 0u; c < params.depth4; c++) {
#unroll j 0 PER_LANE
    let k$j = key[key$j + c];
#endunroll
#if SUBGROUP
#unroll l 0 QUERY_LOADS
    let loaded$l = query[query$l + c];
#endunroll
#endif
#unroll r 0 8
#if SUBGROUP
    let q$r = subgroupShuffle(loaded${r / THREADS}, ${r % THREADS}u);
#else
    let q$r = query[query$r + c];
#endif
#unroll j 0 PER_LANE
    score${r}_${j} += dot(q$r, k$j);
#endunroll
#endunroll
  }
