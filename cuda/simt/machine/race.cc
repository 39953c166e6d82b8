// race.cc: what a kernel may not do to memory. Kernels of a checked library are
// compiled with -fsanitize=thread, but not linked with its runtime: the calls
// that the compiler puts before every access come here, where the threads of a
// GPU are known, which to the host are one.
//
// Each byte remembers who wrote it last and which two threads read it last,
// and when. Two accesses of different threads, one of them a write, must have
// something between them that orders them: a barrier of the block, a
// __syncwarp for two lanes of a warp, a named barrier that both were in; between
// blocks a fence and an atomic on one side and an atomic on the other. Atomics among
// each other need nothing.
#include "machine.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <mutex>

namespace simt {

#if defined(BENCH_CHECKED)
constexpr bool checked = true;
#else
constexpr bool checked = false;
#endif

struct cell {
	uint32_t writer, written, reader, read, earlier_reader, earlier_read;
};
constexpr uint32_t by_atomic = 1u << 31;

enum class kind { global, is_static, dynamic };

struct region {
	uintptr_t base;
	size_t bytes;
	kind what;
	cell *cells;
};

static std::mutex regions_lock;
static std::vector<region> regions;  // of global memory, by base
static uint32_t last_time = 1;
static uint32_t launch_time, block_time;
static std::vector<uint32_t> released;  // by block
static region is_static{}, dynamic{};
static uintptr_t image_base, image_end;
static unsigned long long started;

static cell *new_cells(size_t bytes)
{
	void *p = mmap(nullptr, (bytes + 1) * sizeof(cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? nullptr : static_cast<cell *>(p);
}

static void free_cells(region &r)
{
	if (r.cells)
		munmap(r.cells, (r.bytes + 1) * sizeof(cell));
	r.cells = nullptr;
}

// This library's code and constants, and its thread-local block, where
// __shared__ arrays are.
static int find_image(dl_phdr_info *info, size_t, void *)
{
	uintptr_t here = reinterpret_cast<uintptr_t>(&find_image), low = ~0ul, high = 0;
	size_t tls = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const auto &p = info->dlpi_phdr[i];
		if (p.p_type == PT_LOAD) {
			low = std::min(low, (uintptr_t)(info->dlpi_addr + p.p_vaddr));
			high = std::max(high, (uintptr_t)(info->dlpi_addr + p.p_vaddr + p.p_memsz));
		}
		if (p.p_type == PT_TLS)
			tls = p.p_memsz;
	}
	if (here < low || here >= high)
		return 0;
	image_base = low, image_end = high;
	is_static.base = reinterpret_cast<uintptr_t>(info->dlpi_tls_data);
	if (is_static.bytes != tls) {
		free_cells(is_static);
		is_static.bytes = tls;
		is_static.cells = new_cells(tls);
	}
	is_static.what = kind::is_static;
	return 1;
}

static std::mutex launches;

void check_begin()
{
	if (!checked)
		return;
	machine &m = self;
	launches.lock();
	dl_iterate_phdr(find_image, nullptr);
	if (dynamic.bytes < m.dynamic_bytes) {
		free_cells(dynamic);
		dynamic.bytes = m.dynamic_bytes;
		dynamic.cells = new_cells(m.dynamic_bytes);
	}
	dynamic.base = reinterpret_cast<uintptr_t>(m.dynamic_base);
	dynamic.what = kind::dynamic;
	launch_time = m.times.now = last_time + 1;
	released.assign((size_t)gridDim.x * gridDim.y * gridDim.z, 0);
	m.steps = 0;
	started = nanoseconds();
}

void check_end()
{
	if (!checked)
		return;
	last_time = self.times.now;
	launches.unlock();
}

void check_block()
{
	block_time = ++self.times.now;
	self.times.block = block_time;
}

void check_release(uint32_t when)
{
	if (checked)
		released[self.block_number] = when;
}

// A launch that takes a minute in a test will take forever.
void check_time()
{
	if (checked && nanoseconds() - started > 60ull * 1000000000ull)
		fail("it does not end: given up after 60 s");
}

// since is when the memory began to be what it is: shared memory begins anew
// with each block.
static bool ordered(uint32_t since, uint32_t before, uint32_t when, uint32_t after)
{
	const order_times &t = self.times;
	before &= ~by_atomic;
	if (when < since || before == after)
		return true;
	unsigned a = before & 1023, b = after & 1023;
	if (before >> 10 != after >> 10) {
		uint32_t r = released[before >> 10];
		return when < r && t.acquired > r;
	}
	if (when < t.block || (a / 32 == b / 32 && when < t.warp[a / 32]))
		return true;
	for (int i = 0; i < 16; i++)
		if (when < t.named[i] && t.in_named[i][a] && t.in_named[i][b])
			return true;
	return false;
}

[[noreturn]] static void race(const region &r, uintptr_t at, const char *did, uint32_t other, const char *what)
{
	const char *where = r.what == kind::global ? "global" : "shared";
	unsigned block = (other & ~by_atomic) >> 10, thread = other & 1023;
	fail("race: it %s byte %zu of a %s array that thread %u of block %u %s, with nothing between them that orders them", did,
	     (size_t)(at - r.base), where, thread, block, what);
}

static void note(region &r, uintptr_t at, size_t bytes, bool write, bool is_atomic, unsigned thread)
{
	if (!r.cells)
		return;
	uint32_t since = r.what == kind::global ? launch_time : block_time, now = self.times.now, me = self.block_number << 10 | thread;
	for (size_t i = 0; i < bytes; i++) {
		cell &c = r.cells[at + i - r.base];
		bool both_atomic = is_atomic && (c.writer & by_atomic);
		if (!both_atomic && !ordered(since, c.writer, c.written, me))
			race(r, at + i, write ? "writes" : "reads", c.writer, "wrote");
		if (write) {
			if (!ordered(since, c.reader, c.read, me))
				race(r, at + i, "writes", c.reader, "read");
			if (!ordered(since, c.earlier_reader, c.earlier_read, me))
				race(r, at + i, "writes", c.earlier_reader, "read");
			c.writer = me | (is_atomic ? by_atomic : 0), c.written = now;
		} else {
			if (r.what != kind::global && c.written < since)
				fail("it reads byte %zu of %s shared memory, which no thread of its block has written", (size_t)(at + i - r.base),
				     r.what == kind::dynamic ? "dynamic" : "static");
			if (c.reader != me)
				c.earlier_reader = c.reader, c.earlier_read = c.read;
			c.reader = me, c.read = now;
		}
	}
}

static bool within(uintptr_t at, size_t bytes, uintptr_t base, size_t size) { return at >= base && at + bytes <= base + size; }

void check_access(const void *p, size_t bytes, bool write, bool is_atomic, unsigned thread)
{
	if (!checked)
		return;
	machine &m = self;
	auto at = reinterpret_cast<uintptr_t>(p);
	if ((++m.steps & 0xfffff) == 0)
		check_time();
	if (within(at, bytes, reinterpret_cast<uintptr_t>(m.running->stack), stack_bytes) ||
	    within(at, bytes, reinterpret_cast<uintptr_t>(&bench_place), sizeof bench_place))
		return;
	if (within(at, bytes, is_static.base, is_static.bytes))
		return note(is_static, at, bytes, write, is_atomic, thread);
	if (within(at, bytes, dynamic.base, m.dynamic_bytes))
		return note(dynamic, at, bytes, write, is_atomic, thread);
	std::unique_lock<std::mutex> hold(regions_lock);
	if (regions.empty())
		return;
	auto r = std::upper_bound(regions.begin(), regions.end(), at, [](uintptr_t a, const region &b) { return a < b.base; });
	region *before = r == regions.begin() ? nullptr : &*std::prev(r);
	if (before && within(at, bytes, before->base, before->bytes)) {
		if (!before->cells)
			before->cells = new_cells(before->bytes);
		region found = *before;
		hold.unlock();
		return note(found, at, bytes, write, is_atomic, thread);
	}
	hold.unlock();
	if (!write && within(at, bytes, image_base, image_end - image_base))
		return;
	auto params = reinterpret_cast<uintptr_t>(m.params);
	if (!write && within(at, bytes, params, m.arguments * sizeof(void *)))
		return;
	for (int i = 0; i < m.arguments && !write; i++)
		if (within(at, bytes, reinterpret_cast<uintptr_t>(m.params[i]), 64))
			return;
	const char *did = write ? "writes" : "reads";
	if (dynamic.base && at >= dynamic.base && at < dynamic.base + m.dynamic_bytes + 1024)
		fail("out of bounds: it %s %zu bytes at byte %zu of %zu bytes of dynamic shared memory", did, bytes, (size_t)(at - dynamic.base), m.dynamic_bytes);
	if (before && at - before->base < before->bytes + (1 << 20))
		fail("out of bounds: it %s %zu bytes at byte %zu of an allocation of %zu bytes", did, bytes, (size_t)(at - before->base), before->bytes);
	fail("out of bounds: it %s %zu bytes at %p, which is in no allocation", did, bytes, p);
}

// The compiler's calls. A collective's own reads of its lanes' operands are none of
// the kernel's.
static void on_access(const void *p, size_t bytes, bool write, size_t aligned)
{
	machine &m = self;
	if (!m.running || m.in_collective)
		return;
	// What is on a thread's own stack is registers on a GPU.
	if ((uintptr_t)p % aligned && !within((uintptr_t)p, bytes, (uintptr_t)m.running->stack, stack_bytes))
		fail("misaligned: it %s %zu bytes at %p", write ? "writes" : "reads", bytes, p);
	check_access(p, bytes, write, false, m.running->index);
}
}

#define HOOK extern "C" __attribute__((visibility("hidden")))
#define ACCESS(n)                                                                                   \
	HOOK void __tsan_read##n(void *p) { simt::on_access(p, n, false, n); }                            \
	HOOK void __tsan_write##n(void *p) { simt::on_access(p, n, true, n); }                            \
	HOOK void __tsan_unaligned_read##n(void *p) { simt::on_access(p, n, false, 1); }                  \
	HOOK void __tsan_unaligned_write##n(void *p) { simt::on_access(p, n, true, 1); }                  \
	HOOK void __tsan_volatile_read##n(void *p) { simt::on_access(p, n, false, n); }                   \
	HOOK void __tsan_volatile_write##n(void *p) { simt::on_access(p, n, true, n); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
HOOK void __tsan_read_range(void *p, size_t n) { simt::on_access(p, n, false, 1); }
HOOK void __tsan_write_range(void *p, size_t n) { simt::on_access(p, n, true, 1); }
HOOK void __tsan_init() {}
HOOK void __tsan_func_entry(void *) {}
HOOK void __tsan_func_exit() {}
HOOK void __tsan_vptr_update(void **, void *) {}
HOOK void __tsan_vptr_read(void **) {}

// -fsanitize=bounds,alignment: an index that a built-in array does not have,
// and a pointer less aligned than its type. Both begin with where in the source.
struct bench_place_in_source { const char *file; uint32_t line, column; };
HOOK void __ubsan_handle_out_of_bounds(bench_place_in_source *at, uintptr_t index)
{
	if (simt::self.running)
		simt::fail("%s:%u: out of bounds: an array has no element %ld", at->file, at->line, (long)index);
}
HOOK void __ubsan_handle_type_mismatch_v1(bench_place_in_source *at, uintptr_t p)
{
	if (simt::self.running)
		simt::fail("%s:%u: misaligned: %#lx is not aligned to its type", at->file, at->line, (unsigned long)p);
}

extern "C" __attribute__((visibility("default"))) void simt_memory(void *p, size_t bytes)
{
	using namespace simt;
	std::lock_guard<std::mutex> hold(regions_lock);
	region r{reinterpret_cast<uintptr_t>(p), bytes, kind::global, nullptr};
	regions.insert(std::upper_bound(regions.begin(), regions.end(), r.base, [](uintptr_t a, const region &b) { return a < b.base; }), r);
}

extern "C" __attribute__((visibility("default"))) void simt_forget(void *p)
{
	using namespace simt;
	std::lock_guard<std::mutex> hold(regions_lock);
	auto r = std::find_if(regions.begin(), regions.end(), [&](const region &r) { return r.base == reinterpret_cast<uintptr_t>(p); });
	if (r == regions.end())
		return;
	free_cells(*r);
	regions.erase(r);
}

extern "C" __attribute__((visibility("default"))) int simt_checked(void) { return simt::checked; }
