package host

import (
	"bench/datasets"
	"bench/microbench/mutation"
)

// kinds are those of these mutations, in the order of the table of docs/measuring.md.
var kinds = []mutation.Kind{mutation.Tail, mutation.Omitted, mutation.Truncated, mutation.Scaled, mutation.Stale, mutation.Index, mutation.Race}

// mutations are the faults that the answers' checks must see: an element left
// out, a race, a wrong scale, a stale line, a truncated accumulation, an omitted
// rank, expert or head, a wrong end of the context.
var mutations = []mutation.Mutation{
	// Passes over memory.
	{Kind: mutation.Tail, Name: "write leaves out the last element", File: "stream.c", After: "case STREAM_WRITE:", Old: "for (; i < n; i++) a[i] = q;", New: "for (; i + 1 < n; i++) a[i] = q;", On: "write"},
	{Kind: mutation.Tail, Name: "write_nt leaves out the last element", File: "stream.c", After: "case STREAM_WRITE_NT:", Old: "for (; i < n; i++) a[i] = q;", New: "for (; i + 1 < n; i++) a[i] = q;", On: "write_nt"},
	{Kind: mutation.Stale, Name: "copy repeats a stale line", File: "stream.c", After: "case STREAM_COPY:", Old: "STORE(b + j, LOAD(a + j));", New: "STORE(b + j, LOAD(a + i));", On: "copy"},
	{Kind: mutation.Tail, Name: "copy leaves out the last element", File: "stream.c", After: "case STREAM_COPY:", Old: "for (; i < n; i++) b[i] = a[i];", New: "for (; i + 1 < n; i++) b[i] = a[i];", On: "copy"},
	{Kind: mutation.Omitted, Name: "copy_nt copies nothing", File: "stream.c", After: "case STREAM_COPY_NT:", Old: "NT(b + j, LOAD(a + j));", New: ";", On: "copy_nt"},
	{Kind: mutation.Scaled, Name: "scale adds", File: "stream.c", Old: "STORE(b + j, MUL(vq, LOAD(a + j)));", New: "STORE(b + j, ADD(vq, LOAD(a + j)));", On: "scale"},
	{Kind: mutation.Scaled, Name: "scale forgets the factor at the end", File: "stream.c", Old: "b[i] = q * a[i];", New: "b[i] = a[i];", On: "scale"},
	{Kind: mutation.Omitted, Name: "triad drops its product at the end", File: "stream.c", After: "case STREAM_TRIAD:", Old: "c[i] = a[i] + q * b[i];", New: "c[i] = a[i];", On: "triad"},
	{Kind: mutation.Index, Name: "triad_nt exchanges its operands", File: "stream.c", Old: "NT(c + j, FMA(vq, LOAD(b + j), LOAD(a + j)));", New: "NT(c + j, FMA(vq, LOAD(a + j), LOAD(b + j)));", On: "triad_nt"},
	{Kind: mutation.Omitted, Name: "read leaves out a lane", File: "stream.c", Old: "for (int l = 0; l < (L); l++) sum += lane[l];", New: "for (int l = 1; l < (L); l++) sum += lane[l];", On: "read"},
	{Kind: mutation.Tail, Name: "read leaves out the last element", File: "stream.c", Old: "for (; i < n; i++) sum += a[i];", New: "for (; i + 1 < n; i++) sum += a[i];", On: "read"},
	{Kind: mutation.Omitted, Name: "latency follows one load of eight", File: "latency.c", Old: "at = at->next->next->next->next->next->next->next->next;", New: "at = at->next;", On: "latency"},
	{Kind: mutation.Tail, Name: "latency leaves out the last loads", File: "latency.c", After: "i += 8)", Old: "for (; i < n; i++) at = at->next;", New: ";", On: "latency"},
	{Kind: mutation.Index, Name: "latency has several short cycles", File: "latency.c", Old: "random64(&seed) % i", New: "random64(&seed) % (i + 1)", Expr: true, On: "latency"},

	// Matrix products.
	{Kind: mutation.Truncated, Name: "a tile's accumulation is truncated", File: "gemm_tile.h", After: "#define TILE", Old: "p < kg", New: "p < kg - 1", Expr: true, On: "gemm"},
	{Kind: mutation.Truncated, Name: "a tile forgets earlier blocks of k", File: "gemm_tile.h", Old: "add ? ADD(s[i][j], LOAD(at)) : s[i][j]", New: "s[i][j]", Expr: true, On: "gemm"},
	{Kind: mutation.Stale, Name: "a product adds to a stale C", File: "gemm.c", Old: "g->micro(kg, at, bt, ct, w->n, pc > 0);", New: "g->micro(kg, at, bt, ct, w->n, 1);", On: "gemm"},
	{Kind: mutation.Stale, Name: "few rows: C is not cleared", File: "gemm_tile.h", Old: "memset(c + i * ldc, 0, (size_t)n * sizeof *c);", New: ";", On: "skinny"},
	{Kind: mutation.Truncated, Name: "few rows: the last row of B is left out", File: "gemm_tile.h", After: "for (; p + 8 <= k;", Old: "p < k", New: "p + 1 < k", Expr: true, On: "skinny"},
	{Kind: mutation.Tail, Name: "few rows: the last column is left out", File: "gemm_tile.h", After: "#define SWEEP", Old: "e < n", New: "e + 1 < n", Expr: true, On: "skinny"},
	{Kind: mutation.Omitted, Name: "few rows: the last rank leaves out a line", File: "gemm.c", Old: "(rank + 1) * lines / ranks * line", New: "(rank + 1) * lines / ranks * line - line", Expr: true, On: "skinny"},
	{Kind: mutation.Tail, Name: "the last column of an edge is left out", File: "gemm.c", Old: "memcpy(c + i * ldc * g->unit, scratch + (size_t)i * line, width);", New: "memcpy(c + i * ldc * g->unit, scratch + (size_t)i * line, width - g->unit);", On: "gemm"},
	{Kind: mutation.Stale, Name: "an edge adds to stale scratch", File: "gemm.c", Old: "memcpy(scratch + (size_t)i * line, c + i * ldc * g->unit, width);", New: ";", On: "gemm"},
	{Kind: mutation.Truncated, Name: "the last unit of k is zero", File: "gemm.c", Old: "to[p++ * g->mr + r] = last;", New: "to[p++ * g->mr + r] = 0;", On: "gemm narrow"},
	{Kind: mutation.Omitted, Name: "the last rank makes no block", File: "gemm.c", Old: "block(w, a, b, sums, w->pack + (size_t)rank * gemm_pack_bytes(g), i0, i1, j0, j1);", New: "if (rank + 1 < ranks) block(w, a, b, sums, w->pack + (size_t)rank * gemm_pack_bytes(g), i0, i1, j0, j1);", On: "gemm"},
	{Kind: mutation.Tail, Name: "bf16: a row's last sum is not narrowed", File: "gemm.c", After: "static void narrow", Old: "i < n", New: "i + 1 < n", Expr: true, On: "gemm bf16"},
	{Kind: mutation.Omitted, Name: "bf16, few rows: odd rows of B are left out", File: "gemm_skinny.c", Old: "q + 1 < k - p ? cols : 0", New: "0", Expr: true, On: "skinny bf16"},
	{Kind: mutation.Index, Name: "int8, few rows: columns mixed up", File: "gemm_skinny.c", Old: "y[q + v]", New: "y[q]", Expr: true, On: "skinny int8"},

	// Multiply-adds in registers.
	{Kind: mutation.Truncated, Name: "peak: a loop too few", File: "peak.c", After: "#define BODY", Old: "i < loops", New: "i < loops - 1", Expr: true, On: "peak"},
	{Kind: mutation.Omitted, Name: "peak: half of the arithmetic is gone", File: "peak.c", After: "#define BODY", Old: "EACH(OP_C)", New: ";", On: "peak"},

	// All-reduce.
	{Kind: mutation.Omitted, Name: "one shot omits a rank", File: "allreduce.c", Old: "reducer(a)(&a->out[rank], 1, a->in, ranks, 0, a->count, 0);", New: "reducer(a)(&a->out[rank], 1, a->in, ranks - 1, 0, a->count, 0);", On: "direct"},
	{Kind: mutation.Omitted, Name: "a rank does not get the result", File: "allreduce.c", Old: "reducer(a)(a->out, ranks, a->in, ranks, from, to, a->stream);", New: "reducer(a)(a->out, ranks - 1, a->in, ranks, from, to, a->stream);", On: "direct"},
	{Kind: mutation.Tail, Name: "the last element is left out", File: "allreduce.c", Old: "end < n ? end : n", New: "end < n ? end : n - 1", Expr: true, On: "ring"},
	{Kind: mutation.Race, Name: "the ring does not wait for its neighbour", File: "allreduce.c", Old: "spin_until(&a->progress[left].done, begin + step);", New: "if (rank == 0) bench_late();", On: "ring"},
	{Kind: mutation.Index, Name: "the ring gathers the wrong segment", File: "allreduce.c", Old: "((rank - k) % ranks + ranks) % ranks", New: "((rank - k + gather) % ranks + ranks) % ranks", Expr: true, On: "ring"},
	{Kind: mutation.Omitted, Name: "a sum omits its last source", File: "reduce_body.h", After: "const T *first", Old: "s < ns", New: "s < ns - 1", Expr: true, On: "direct"},
	{Kind: mutation.Tail, Name: "a sum leaves out the last element", File: "reduce_body.h", After: "WHOLE(p + j", Old: "i < to", New: "i + 1 < to", Expr: true, On: "ring"},
	{Kind: mutation.Omitted, Name: "bf16: the rest omits its last source", File: "reduce_body.h", After: "#define ELEMENT_BF16", Old: "s < ns", New: "s < ns - 1", Expr: true, On: "direct bf16"},

	// What a layer is made of.
	{Kind: mutation.Truncated, Name: "a product's accumulation is truncated", File: "vector_body.h", After: "#define TILE", Old: "i < to", New: "i + 1 < to", Expr: true, On: "decode"},
	{Kind: mutation.Stale, Name: "a product repeats a stale vector of weights", File: "vector_body.h", Old: "sum[r][v] += weight[v] * input;", New: "sum[r][v] += weight[0] * input;", On: "decode"},
	{Kind: mutation.Truncated, Name: "a product forgets earlier blocks", File: "vector_body.h", Old: "add || from > 0", New: "add", Expr: true, On: "decode large"},
	{Kind: mutation.Scaled, Name: "the norm's mean is of one more", File: "vector_body.h", Old: "sum / n + 1e-5f", New: "sum / (n + 1) + 1e-5f", Expr: true, On: "decode"},
	{Kind: mutation.Tail, Name: "the norm's end has no gain", File: "vector_body.h", Old: "y[i] = x[i] * f * gain[i];", New: "y[i] = x[i] * f;", On: "decode odd"},
	{Kind: mutation.Index, Name: "SiLU of the wrong sign", File: "vector_body.h", Old: "g / (1 + FN(exp)(-g))", New: "g / (1 + FN(exp)(g))", Expr: true, On: "decode"},
	{Kind: mutation.Scaled, Name: "GELU's cubic term is off", File: "vector_body.h", Old: "0.044715f", New: "0.044f", Expr: true, On: "decode plain"},
	{Kind: mutation.Scaled, Name: "exp's polynomial is off", File: "vector_body.h", Old: "1.6666665459e-1f", New: "1.6e-1f", Expr: true, On: "attention"},
	{Kind: mutation.Scaled, Name: "softmax: an earlier sum is not rescaled", File: "vector_body.h", Old: "*sum = *sum * before + here;", New: "*sum = *sum + here;", On: "attention long"},
	{Kind: mutation.Truncated, Name: "softmax: the end is left out of the sum", File: "vector_body.h", Old: "here += scores[i];", New: ";", On: "attention"},
	{Kind: mutation.Scaled, Name: "softmax: earlier values are not rescaled", File: "vector_body.h", After: "FN(scale)", Old: "y[i] *= f;", New: ";", On: "attention long"},

	// Attention.
	{Kind: mutation.Tail, Name: "the context ends one position early", File: "attention.c", Old: "to < a->context ? to : a->context", New: "to < a->context ? to : a->context - 1", Expr: true, On: "attention"},
	{Kind: mutation.Scaled, Name: "scores have the wrong scale", File: "attention.c", Old: "1 / sqrtf(d)", New: "1 / sqrtf(d + 1)", Expr: true, On: "attention"},
	{Kind: mutation.Stale, Name: "the new token is not in the cache", File: "attention.c", Old: "append(a, base, item, s->query);", New: ";", On: "decode"},
	{Kind: mutation.Index, Name: "a group takes its neighbour's queries", File: "attention.c", Old: "h * g * d", New: "h * d", Expr: true, On: "attention"},
	{Kind: mutation.Omitted, Name: "a group's last head is omitted", File: "attention.c", Old: "whole && i < group(a)", New: "whole && i < group(a) - 1", Expr: true, On: "attention"},
	{Kind: mutation.Scaled, Name: "parts are joined without their maxima", File: "attention.c", Old: "sum += f * s.part[p].sum[i];", New: "sum += s.part[p].sum[i];", On: "attention long"},
	{Kind: mutation.Index, Name: "a part of the context is taken twice", File: "attention.c", After: "space_of(a, r);", Old: "begin < item * units", New: "0", Expr: true, On: "attention long"},
	{Kind: mutation.Index, Name: "the rotation turns the wrong way", File: "attention.c", Old: "v * a->cosine[i] + u * a->sine[i]", New: "v * a->cosine[i] - u * a->sine[i]", Expr: true, On: "decode"},
	{Kind: mutation.Race, Name: "parts are joined before a late rank's is there", File: "attention.c", Old: "attention_attend(&a->attention, a->ops, a->base + team_iteration() % a->copies * a->stride, rank, ranks);\n\tif (attention_is_split(&a->attention, ranks)) {\n\t\tteam_barrier(a->team, rank);\n\t\tattention_merge(&a->attention, a->ops, rank, ranks);\n\t}",
		New: "if (rank) bench_late(); attention_attend(&a->attention, a->ops, a->base + team_iteration() % a->copies * a->stride, rank, ranks);\n\tif (attention_is_split(&a->attention, ranks))\n\t\tattention_merge(&a->attention, a->ops, rank, ranks);", On: "attention long"},

	// Experts and layers.
	{Kind: mutation.Index, Name: "the router takes the worst experts", File: "experts.c", Old: "p[i] > p[best]", New: "p[i] < p[best]", Expr: true, On: "decode experts"},
	{Kind: mutation.Scaled, Name: "shares do not add up to one", File: "experts.c", Old: "kept > 0 ? p[assign[j]] / kept : 1.0f / e->top_k", New: "p[assign[j]]", Expr: true, On: "moe"},
	{Kind: mutation.Scaled, Name: "shares are all alike", File: "experts.c", Old: "kept += p[assign[j]];", New: ";", On: "moe"},
	{Kind: mutation.Omitted, Name: "a token's last expert is omitted", File: "experts.c", After: "void experts_combine", Old: "c < (i + 1) * e->top_k", New: "c < (i + 1) * e->top_k - 1", Expr: true, On: "moe"},
	{Kind: mutation.Index, Name: "two ranks' tokens take the same places", File: "experts.c", Old: "r == rank", New: "r == 0", Expr: true, On: "moe"},
	{Kind: mutation.Index, Name: "every expert has the first one's weights", File: "experts.c", After: "static part part_of", Old: "e->place ? e->place[expert] : expert", New: "0", Expr: true, On: "moe"},
	{Kind: mutation.Omitted, Name: "a group's first expert is omitted", File: "experts.c", After: "void experts_down", Old: "p.rows > 0", New: "p.rows > 0 && i > from", Expr: true, On: "moe"},
	{Kind: mutation.Race, Name: "experts begin before a late rank's tokens are there", File: "experts.c", Old: "experts_dispatch(e, a->x, rank, ranks);\n\tteam_barrier(a->team, rank);",
		New: "if (rank) bench_late(); experts_dispatch(e, a->x, rank, ranks);", On: "moe"},
	{Kind: mutation.Race, Name: "attention begins before a late rank's projection is there", File: "layer.c", Old: "project(a, &a->qkv, base, a->norm, row, NULL, a->projected, rank, ranks);\n\tteam_barrier(a->team, rank);",
		New: "if (rank) bench_late(); project(a, &a->qkv, base, a->norm, row, NULL, a->projected, rank, ranks);", On: "decode"},
	{Kind: mutation.Omitted, Name: "the residual is overwritten", File: "layer.c", Old: "residual != NULL", New: "0", Expr: true, On: "decode"},
	{Kind: mutation.Index, Name: "the second norm has the first one's gain", File: "layer.c", Old: "base + a->gain[1]", New: "base + a->gain[0]", Expr: true, On: "decode"},
}

// mutationWorkloads are what the mutations run on: small, with ends that are no
// whole vector, tile or panel, on one rank and on several.
//
//nolint:unused // by the test under the tag mutants
func mutationWorkloads() map[string][]datasets.Workload {
	out := map[string][]datasets.Workload{}
	add := func(name string, w datasets.Workload) { out[name] = append(out[name], w) }
	for kernel := range streamKernels {
		for ranks := 1; ranks <= 2; ranks++ {
			add(kernel, datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: 1<<16 + 8*3*13, Ranks: ranks})
		}
	}
	add("latency", datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: 1001 * 64, Ranks: 1})
	for _, t := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		for ranks := 1; ranks <= 2; ranks++ {
			big := datasets.GEMM{Kernel: "matmul", Type: t, M: 61, N: 83, K: 1331, Ranks: ranks, Cache: datasets.Hot}
			few := big
			few.M, few.N, few.K = 3, 211, 333
			add("gemm", big)
			add("gemm "+string(t), big)
			add("skinny", few)
			add("skinny "+string(t), few)
			if t == datasets.BF16 || t == datasets.INT8 {
				add("gemm narrow", big)
			}
		}
		add("peak", datasets.GEMM{Kernel: "peak", Type: t, Ops: 1 << 20, Ranks: 1})
	}
	for _, algorithm := range []string{"direct", "ring"} {
		for d := range elements {
			for _, count := range []int64{1001, 300_001} {
				w := allReduce(algorithm, d, count*int64(d.Size()), 2, false)
				add(algorithm, w)
				add(algorithm+" "+string(d), w)
			}
		}
	}
	for _, ranks := range []int{1, 2} {
		for name, change := range map[string]func(*datasets.DecodeLayer){
			"decode":         nil,
			"decode large":   func(w *datasets.DecodeLayer) { w.Batch, w.Hidden = 8, 300 },
			"decode odd":     func(w *datasets.DecodeLayer) { w.Hidden, w.FFWidth, w.HeadDim = 75, 33, 10 },
			"decode plain":   func(w *datasets.DecodeLayer) { w.Gated = false },
			"decode experts": func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 5, 2 },
		} {
			add(name, layer(3, 70, ranks, change))
		}
		attention := datasets.Attention{Type: datasets.FP32, Batch: 1, QueryTokens: 1, ContextTokens: 41, Heads: 6, KVHeads: 2, HeadDim: 40, Ranks: ranks, Cache: datasets.Hot}
		add("attention", attention)
		attention.KVHeads, attention.ContextTokens = 1, 1025
		add("attention long", attention)
		attention.Batch = 3 // of two ranks' shares, the second sequence's context is in both
		add("attention long", attention)
		add("moe", moe(7, 8, 2, datasets.RouteBalanced, ranks, 1))
	}
	return out
}
