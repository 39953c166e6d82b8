// async.cuh: copies from global to shared memory that do not pass through
// registers (PTX, "cp.async", sm_80 and up).
//
// On the host a copy is done no earlier than the wait that asks for it, so
// that a kernel that reads too soon reads what was there before.
#ifndef BENCH_ASYNC_CUH
#define BENCH_ASYNC_CUH

// cp_async_16 copies 16 bytes past L1; both addresses are multiples of 16.
DEVICE void cp_async_16(void *shared, const void *global)
{
#if defined(BENCH_HOST)
	simt::async_copy(shared, global, 16, 16);
#else
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(shared)), "l"(global) : "memory");
#endif
}

// cp_async_16_zfill copies the first `bytes` (0 to 16) and writes zeros after
// them: tails of a tile. With 0 bytes nothing is read.
DEVICE void cp_async_16_zfill(void *shared, const void *global, int bytes)
{
#if defined(BENCH_HOST)
	simt::async_copy(shared, global, 16, bytes);
#else
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
#endif
}

// cp_async_4 copies 4 bytes, for operands that are not aligned to 16.
DEVICE void cp_async_4(void *shared, const void *global)
{
#if defined(BENCH_HOST)
	simt::async_copy(shared, global, 4, 4);
#else
	asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(shared)), "l"(global) : "memory");
#endif
}

// cp_async_commit closes a group of this thread's copies.
DEVICE void cp_async_commit()
{
#if defined(BENCH_HOST)
	simt::async_commit();
#else
	asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// cp_async_wait returns when at most `newest` of this thread's groups are
// still under way. Other threads see the bytes after a barrier.
template <int newest> DEVICE void cp_async_wait()
{
#if defined(BENCH_HOST)
	simt::async_wait(newest);
#else
	asm volatile("cp.async.wait_group %0;" ::"n"(newest) : "memory");
#endif
}

#endif
