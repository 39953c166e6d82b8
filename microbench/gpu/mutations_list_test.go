package gpu

import (
	"slices"

	"bench/microbench/mutation"
)

// mutations are the faults that must be seen, by source.
var mutations = withRules(slices.Concat(memoryMutations, peakMutations, rowMutations, attentionMutations, expertMutations))

var memoryMutations = []mutation.Mutation{
	{Kernel: "fill", Kind: mutation.Bounds, Name: "one element too many", Old: "i < n", New: "i <= n", Expr: true, On: "read"},
	{Kernel: "fill", Kind: mutation.Scaled, Name: "the scale is forgotten", Old: "scale * hash_unit(seed, (unsigned long long)i)", New: "hash_unit(seed, (unsigned long long)i)", Expr: true, On: "read int8"},
	{Kernel: "fill", Kind: mutation.Index, Name: "two elements are the same number", Old: "scale * hash_unit(seed, (unsigned long long)i)", New: "scale * hash_unit(seed, (unsigned long long)i / 2)", Expr: true, On: "read"},
	{Kernel: "fill", Kind: mutation.Omitted, Name: "every second element is left out", Old: "(long long)blockIdx.x * blockDim.x + threadIdx.x", New: "(long long)blockIdx.x * blockDim.x + (threadIdx.x | 1)", Expr: true, On: "read"},

	{Kernel: "flush", Kind: mutation.Bounds, Name: "one vector too many", Old: "v < vectors", New: "v <= vectors", Expr: true, On: "flush"},
	{Kernel: "flush", Kind: mutation.Omitted, Name: "only the grid's first vectors are written", Old: "v < vectors", New: "v < vectors && v < step", Expr: true, On: "flush"},
	{Kernel: "flush", Kind: mutation.Index, Name: "a vector is written in its neighbour's place", Old: "st_128(p + v, make_uint4(0, 0, 0, 0));", New: "st_128(p + (v | 1), make_uint4(0, 0, 0, 0));", On: "flush"},

	{Kernel: "latency", Kind: mutation.Index, Name: "the chain is several short cycles", Old: "j + 1 < n ? j + 1 : 0", New: "j % 1250 != 1249 ? j + 1 : j - 1249", Expr: true, On: "latency"},
	{Kernel: "latency", Kind: mutation.Omitted, Name: "every second load is left out", Old: "offset = ld_cg_64(base + offset);", New: "if (i % 2) offset = ld_cg_64(base + offset);", On: "latency"},
	{Kernel: "latency", Kind: mutation.Stale, Name: "where the chain came to is not kept", Old: "*at = offset;", New: ";", On: "latency"},
	{Kernel: "latency", Kind: mutation.Index, Name: "every line leads to itself", Old: "next * (unsigned long long)stride", New: "here * (unsigned long long)stride", Expr: true, On: "latency"},
	{Kernel: "latency", Kind: mutation.Race, Name: "every block writes the whole chain", Old: "(unsigned long long)gridDim.x * blockDim.x", New: "(unsigned long long)blockDim.x", Expr: true, On: "latency"},

	{Kernel: "sentinel", Kind: mutation.Scaled, Name: "a term is another's", Old: "v.z = fma_rn(v.z, 0.5f, 0.375f);", New: "v.z = fma_rn(v.z, 0.5f, 0.25f);", On: "sentinel"},
	{Kernel: "sentinel", Kind: mutation.Stale, Name: "nothing is stored", Old: "p[i] = v;", New: ";", On: "sentinel"},
	{Kernel: "sentinel", Kind: mutation.Truncated, Name: "nine multiply-adds of 6,400", Old: "k < SENTINEL_FMAS", New: "k < 1 && pass < 9", Expr: true, On: "sentinel"},

	{Kernel: "spin", Kind: mutation.Omitted, Name: "it does not wait", Old: "ld_volatile(host_flag) == 0", New: "0", Expr: true, On: "spin"},
	{Kernel: "spin", Kind: mutation.Stale, Name: "the flag is read once", Old: "ld_volatile(host_flag) == 0", New: "*gave_up == 0", Expr: true, On: "spin"},
	{Kernel: "spin", Kind: mutation.Omitted, Name: "it does not say that it gave up", Old: "*gave_up = 1;", New: ";", On: "spin"},
	{Kernel: "spin", Kind: mutation.Scaled, Name: "it gives up after a thousandth of the time", Old: "globaltimer() - start > max_ns", New: "(globaltimer() - start) * 1000 > max_ns", Expr: true, On: "spin"},

	{Kernel: "stream", Kind: mutation.Index, Name: "write: the rest gets its first byte over and over", Old: "(unsigned char)(pattern >> i % 8 * 8)", New: "(unsigned char)pattern", Expr: true, On: "write"},
	{Kernel: "stream", Kind: mutation.Stale, Name: "copy: a tile repeats its first vector", After: "bench_copy(", Old: "load(from, first + u * STREAM_THREADS)", New: "load(from, first)", Expr: true, On: "copy"},
	{Kernel: "stream", Kind: mutation.Omitted, Name: "copy: what is no whole tile is left out", Old: "store(to, vector, load(from, vector));", New: ";", On: "copy"},
	{Kernel: "stream", Kind: mutation.Tail, Name: "copy: what is no whole vector is left out", Old: "to[i] = from[i];", New: ";", On: "copy"},
	{Kernel: "stream", Kind: mutation.Truncated, Name: "read: a thread's first vector is not added", After: "DEVICE void read(", Old: "sum.add(v[u]);", New: "if (u) sum.add(v[u]);", On: "read"},
	{Kernel: "stream", Kind: mutation.Tail, Name: "read: what is no whole vector is not added", After: "DEVICE void read(", Old: "rest += wide_value(from[i]);", New: ";", On: "read"},
	{Kernel: "stream", Kind: mutation.Scaled, Name: "read: fp8's sums keep their scale", Old: "sum.all() * unit + rest", New: "sum.all() + rest", Expr: true, On: "read fp8"},
	{Kernel: "stream", Kind: mutation.Index, Name: "read: fp8's even elements are the odd ones", Old: "halves_of_odd_fp8(w << 8)", New: "halves_of_odd_fp8(w)", Expr: true, On: "read fp8"},
	{Kernel: "stream", Kind: mutation.Truncated, Name: "read: one pass of several", After: "DEVICE void read(", Old: "p < passes", New: "p < 1", Expr: true, On: "read"},
	{Kernel: "stream", Kind: mutation.Truncated, Name: "a thread's fourth sum is not added", Old: "(double)s[0] + (double)s[1] + (double)s[2] + (double)s[3]", New: "(double)s[0] + (double)s[1] + (double)s[2]", Expr: true, On: "read"},
	{Kernel: "stream", Kind: mutation.Stale, Name: "dot: an array is multiplied by itself", After: "DEVICE void dot(", Old: "load(b, at)", New: "load(a, at)", Expr: true, On: "dot"},
	{Kernel: "stream", Kind: mutation.Truncated, Name: "dot: one pass of several", After: "DEVICE void dot(", Old: "p < passes", New: "p < 1", Expr: true, On: "dot"},
	{Kernel: "stream", Kind: mutation.Scaled, Name: "scale: the rest is not scaled", Old: "triad_of<T>::one(as<T>(-0.0f), c[i], scale)", New: "c[i]", Expr: true, On: "scale"},
	{Kernel: "stream", Kind: mutation.Index, Name: "triad: the other operand is scaled", After: "DEVICE void triad_pass(", Old: "triad_of<T>::vector(v[u], w[u], scale)", New: "triad_of<T>::vector(w[u], v[u], scale)", Expr: true, On: "triad"},
	{Kernel: "stream", Kind: mutation.Omitted, Name: "triad: a tile's first half is done twice", After: "DEVICE void triad_pass(", Old: "first + half * (STREAM_UNROLL / 2) * STREAM_THREADS", New: "first", Expr: true, On: "triad"},
	{Kernel: "stream", Kind: mutation.Truncated, Name: "checksum: a word's last byte is not added", Old: "(w & 0xff) + (w >> 8 & 0xff) + (w >> 16 & 0xff) + (w >> 24)", New: "(w & 0xff) + (w >> 8 & 0xff) + (w >> 16 & 0xff)", Expr: true, On: "copy"},
	{Kernel: "stream", Kind: mutation.Race, Name: "checksum: warps add without an atomic", Old: "atomicAdd(total, sum);", New: "*total += sum;", On: "copy"},
	{Kernel: "stream", File: "tiles.cuh", Kind: mutation.Bounds, Name: "one vector too many", Old: "v < vectors", New: "v <= vectors", Expr: true, On: "copy"},
	{Kernel: "stream", File: "tiles.cuh", Kind: mutation.Race, Name: "every block does the rest", Old: "blockIdx.x == 0 && i < n", New: "i < n", Expr: true, On: "copy"},
}

var peakMutations = []mutation.Mutation{
	{Kernel: "peak_mma", Kind: mutation.Stale, Name: "all products are of one fragment", Old: "mma(sum[t], fa, fb[t]);", New: "mma(sum[t], fa, fb[0]);", On: "peak mma"},
	{Kernel: "peak_mma", Kind: mutation.Index, Name: "the lower rows of A are the upper ones", Old: "fragment(a, group + 8, 0)", New: "fragment(a, group, 0)", Expr: true, On: "peak mma"},
	{Kernel: "peak_mma", Kind: mutation.Index, Name: "the results' columns are exchanged", Old: "lane % 4 * 2 + i % 2", New: "lane % 4 * 2 + (i + 1) % 2", Expr: true, On: "peak mma"},
	{Kernel: "peak_mma", Kind: mutation.Bounds, Name: "results lie a block too far", Old: "blockIdx.x * peak_warps", New: "(blockIdx.x + 1) * peak_warps", Expr: true, On: "peak mma"},

	{Kernel: "peak_f64", Kind: mutation.Omitted, Name: "the lower rows' products are left out", Old: "mma_m8n8k4_f64(sum[0][t], fa[0][i], fb[t][i]), mma_m8n8k4_f64(sum[1][t], fa[1][i], fb[t][i]);", New: "mma_m8n8k4_f64(sum[0][t], fa[0][i], fb[t][i]);", On: "peak f64"},
	{Kernel: "peak_f64", Kind: mutation.Index, Name: "the lower rows of A are the upper ones", Old: "a[(group + 8) * 16 + quarter + 4 * i]", New: "a[group * 16 + quarter + 4 * i]", Expr: true, On: "peak f64"},
	{Kernel: "peak_f64", Kind: mutation.Omitted, Name: "sm_90: an instruction of a pass is left out", After: "bench_peak_mma_fp64_sm90(double *out, const double *a, const double *b, int passes)", Old: "mma_m16n8k16_f64(sum[t], fa, fb[t]);", New: "if (t) mma_m16n8k16_f64(sum[t], fa, fb[t]);", On: "peak f64 sm90"},
	{Kernel: "peak_f64", Kind: mutation.Index, Name: "sm_90: A's columns are exchanged", Old: "a[(group + i % 2 * 8) * 16 + quarter + i / 2 * 4]", New: "a[(group + i % 2 * 8) * 16 + quarter + (i / 2 ^ 1) * 4]", Expr: true, On: "peak f64 sm90"},

	{Kernel: "peak_vector", Kind: mutation.Scaled, Name: "nothing is multiplied", Old: "sum[i] = __builtin_fmaf(sum[i], factor, term[i]);", New: "sum[i] += term[i];", On: "peak vector"},
	{Kernel: "peak_vector", Kind: mutation.Omitted, Name: "half of the chains stand still", Old: "sum[i] = __builtin_fmaf(sum[i], factor, term[i]);", New: "if (i < 8) sum[i] = __builtin_fmaf(sum[i], factor, term[i]);", On: "peak vector"},
	{Kernel: "peak_vector", Kind: mutation.Index, Name: "all terms are the first", Old: "term[i] = y[i];", New: "term[i] = y[0];", On: "peak vector"},

	{Kernel: "peak_wgmma", Kind: mutation.Stale, Name: "sums are never begun anew", Old: "pass % peak_restart", New: "1", Expr: true, On: "peak wgmma"},
	{Kernel: "peak_wgmma", Kind: mutation.Omitted, Name: "the last instruction of two passes is left out", After: "wgmma(sum, at_a, at_b, 1); \\\n", Old: "wgmma(sum, at_a + 3 * step, at_b + 3 * step, 1);", New: ";", On: "peak wgmma"},
	{Kernel: "peak_wgmma", Kind: mutation.Index, Name: "a step of k is that of its neighbour", After: "wgmma(sum, at_a, at_b, 1); \\\n", Old: "wgmma(sum, at_a + 2 * step, at_b + 2 * step, 1);", New: "wgmma(sum, at_a + step, at_b + 2 * step, 1);", On: "peak wgmma"},
	{Kernel: "peak_wgmma", Kind: mutation.Index, Name: "B is not swizzled", After: "*(uint4 *)(tile_b + ", Old: "wgmma_swizzled(i / 8, i % 8 * 16)", New: "i * 16", Expr: true, On: "peak wgmma"},
}
