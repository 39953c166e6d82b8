// warp.cuh: shuffles, votes and lane numbers (PTX, "shfl.sync", "vote.sync").
// On the host a warp-wide instruction is a meeting of its lanes' fibres.
#ifndef BENCH_WARP_CUH
#define BENCH_WARP_CUH

#if !defined(BENCH_HOST) && defined(__clang__)
DEVICE int bench_shfl_idx(unsigned m, int v, int i, int c) { return __nvvm_shfl_sync_idx_i32(m, v, i, c); }
DEVICE int bench_shfl_up(unsigned m, int v, int i, int c) { return __nvvm_shfl_sync_up_i32(m, v, i, c); }
DEVICE int bench_shfl_down(unsigned m, int v, int i, int c) { return __nvvm_shfl_sync_down_i32(m, v, i, c); }
DEVICE int bench_shfl_xor(unsigned m, int v, int i, int c) { return __nvvm_shfl_sync_bfly_i32(m, v, i, c); }
DEVICE unsigned __ballot_sync(unsigned m, int p) { return __nvvm_vote_ballot_sync(m, p); }
DEVICE int __any_sync(unsigned m, int p) { return __nvvm_vote_any_sync(m, p); }
DEVICE int __all_sync(unsigned m, int p) { return __nvvm_vote_all_sync(m, p); }
DEVICE unsigned __activemask() { return __nvvm_activemask(); }
DEVICE int __popc(unsigned v) { return __builtin_popcount(v); }
DEVICE int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
DEVICE int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
DEVICE int __ffs(int v) { return __builtin_ffs(v); }
#endif

#if defined(BENCH_HOST)
// The lanes' values meet, and each takes the one its own operands choose, by
// the pseudocode of PTX's shfl.sync: c holds the clamp and the segment mask.
enum bench_shuffle { SHFL_IDX, SHFL_UP, SHFL_DOWN, SHFL_XOR };
struct bench_shuffling { int value, index, c, result; };
template <int mode> DEVICE int bench_shuffle_lanes(unsigned mask, int v, int index, int c)
{
	bench_shuffling mine{v, index, c, 0};
	simt::warp_collective(mask, mine, [](bench_shuffling **lanes) {
		for (int lane = 0; lane < 32; lane++) {
			bench_shuffling *l = lanes[lane];
			if (!l)
				continue;
			int b = l->index & 31, clamp = l->c & 31, segment = l->c >> 8 & 31;
			int high = (lane & segment) | (clamp & ~segment), low = lane & segment, from;
			bool valid;
			switch (mode) {
			case SHFL_UP: from = lane - b, valid = from >= high; break;
			case SHFL_DOWN: from = lane + b, valid = from <= high; break;
			case SHFL_XOR: from = lane ^ b, valid = from <= high; break;
			default: from = low | (b & ~segment), valid = from <= high; break;
			}
			from = valid ? from : lane;
			if (!lanes[from])
				simt::fail("a shuffle reads lane %d, which takes no part in it", from);
			l->result = lanes[from]->value;
		}
	});
	return mine.result;
}
DEVICE int bench_shfl_idx(unsigned m, int v, int i, int c) { return bench_shuffle_lanes<SHFL_IDX>(m, v, i, c); }
DEVICE int bench_shfl_up(unsigned m, int v, int i, int c) { return bench_shuffle_lanes<SHFL_UP>(m, v, i, c); }
DEVICE int bench_shfl_down(unsigned m, int v, int i, int c) { return bench_shuffle_lanes<SHFL_DOWN>(m, v, i, c); }
DEVICE int bench_shfl_xor(unsigned m, int v, int i, int c) { return bench_shuffle_lanes<SHFL_XOR>(m, v, i, c); }

struct bench_vote { int predicate; unsigned result; };
DEVICE unsigned __ballot_sync(unsigned mask, int p)
{
	bench_vote mine{p, 0};
	simt::warp_collective(mask, mine, [](bench_vote **lanes) {
		unsigned ballot = 0;
		for (int i = 0; i < 32; i++)
			ballot |= lanes[i] && lanes[i]->predicate ? 1u << i : 0;
		for (int i = 0; i < 32; i++)
			if (lanes[i])
				lanes[i]->result = ballot;
	});
	return mine.result;
}
DEVICE int __any_sync(unsigned m, int p) { return __ballot_sync(m, p) != 0; }
DEVICE int __all_sync(unsigned m, int p) { return __ballot_sync(m, !p) == 0; }
DEVICE int __popc(unsigned v) { return __builtin_popcount(v); }
DEVICE int __popcll(unsigned long long v) { return __builtin_popcountll(v); }
DEVICE int __clz(int v) { return v ? __builtin_clz((unsigned)v) : 32; }
DEVICE int __ffs(int v) { return __builtin_ffs(v); }
#endif

#if defined(BENCH_HOST) || defined(__clang__)
// The clamp and segment operand: lanes stay within segments of `width`.
#define BENCH_SHUFFLE(name, mode, clamp)                                                                                    \
	DEVICE int name(unsigned m, int v, int i, int width = 32) { return mode(m, v, i, (32 - width) << 8 | (clamp)); }           \
	DEVICE unsigned name(unsigned m, unsigned v, int i, int width = 32) { return (unsigned)name(m, (int)v, i, width); }       \
	DEVICE float name(unsigned m, float v, int i, int width = 32)                                                             \
	{                                                                                                                         \
		return bits_float((unsigned)name(m, (int)float_bits(v), i, width));                                                     \
	}                                                                                                                         \
	DEVICE unsigned long long name(unsigned m, unsigned long long v, int i, int width = 32)                                   \
	{                                                                                                                         \
		unsigned lo = name(m, (unsigned)v, i, width), hi = name(m, (unsigned)(v >> 32), i, width);                              \
		return (unsigned long long)hi << 32 | lo;                                                                               \
	}                                                                                                                         \
	DEVICE long long name(unsigned m, long long v, int i, int width = 32)                                                     \
	{                                                                                                                         \
		return (long long)name(m, (unsigned long long)v, i, width);                                                             \
	}                                                                                                                         \
	DEVICE double name(unsigned m, double v, int i, int width = 32)                                                           \
	{                                                                                                                         \
		unsigned long long u;                                                                                                   \
		__builtin_memcpy(&u, &v, 8);                                                                                            \
		u = name(m, u, i, width);                                                                                               \
		__builtin_memcpy(&v, &u, 8);                                                                                            \
		return v;                                                                                                               \
	}
BENCH_SHUFFLE(__shfl_sync, bench_shfl_idx, 31)
BENCH_SHUFFLE(__shfl_up_sync, bench_shfl_up, 0)
BENCH_SHUFFLE(__shfl_down_sync, bench_shfl_down, 31)
BENCH_SHUFFLE(__shfl_xor_sync, bench_shfl_xor, 31)
#undef BENCH_SHUFFLE
#endif

// The thread's place in its warp, of blocks whose x is a multiple of 32 or
// which have no y and z.
DEVICE int lane_id() { return (int)(threadIdx.x & 31); }

// Sums and maxima over the 32 lanes; every lane has the result. The order of
// additions is the same in every lane.
template <typename T> DEVICE T warp_sum(T v)
{
	for (int d = 16; d > 0; d /= 2)
		v += __shfl_xor_sync(0xffffffffu, v, d);
	return v;
}

template <typename T> DEVICE T warp_max(T v)
{
	for (int d = 16; d > 0; d /= 2)
		v = max(v, __shfl_xor_sync(0xffffffffu, v, d));
	return v;
}

#endif
