// machine.cc: runs a grid's blocks one after another, each block's threads as
// fibres, in an order that the test chooses. A kernel that could hang hardware
// (threads that wait at different barriers, or for one that has left) is
// reported and abandoned.
#include "machine.h"

#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <numeric>
#include <string>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

thread_local bench_special_registers bench_place;

namespace simt {

thread_local machine self;

#if defined(__x86_64__)
// simt_switch saves the registers that a call must keep (System V AMD64 ABI,
// 3.2.1) on this stack and goes on with another.
extern "C" void simt_switch(void **save, void *load) __attribute__((visibility("hidden")));
asm(".text\n.hidden simt_switch\n.type simt_switch,@function\nsimt_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp,(%rdi)\nmovq %rsi,%rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
    ".size simt_switch,.-simt_switch\n");

static void *prepare(unsigned char *stack, void (*entry)())
{
	void **top = reinterpret_cast<void **>(stack + stack_bytes) - 2;
	*--top = nullptr;  // entry never returns; keeps the stack 16-byte aligned
	*--top = reinterpret_cast<void *>(entry);
	for (int i = 0; i < 6; i++)
		*--top = nullptr;
	return top;
}
#else
static void simt_switch(void **save, void *load)
{
	ucontext_t here;
	*save = &here;
	swapcontext(&here, static_cast<ucontext_t *>(load));
}

static void *prepare(unsigned char *stack, void (*entry)())
{
	auto *c = new (stack) ucontext_t;
	getcontext(c);
	c->uc_stack.ss_sp = stack + sizeof *c + 64;
	c->uc_stack.ss_size = stack_bytes - sizeof *c - 64;
	c->uc_link = nullptr;
	makecontext(c, entry, 0);
	return c;
}
#endif

static void to_scheduler() { simt_switch(&self.running->stack_pointer, self.scheduler); }

void fail(const char *format, ...)
{
	machine &m = self;
	if (!m.failed) {
		char what[300];
		va_list args;
		va_start(args, format);
		vsnprintf(what, sizeof what, format, args);
		va_end(args);
		snprintf(m.error, sizeof m.error, "%s, in thread (%u,%u,%u) of block (%u,%u,%u)", what, threadIdx.x, threadIdx.y,
		         threadIdx.z, blockIdx.x, blockIdx.y, blockIdx.z);
	}
	m.failed = true;
	for (;;)
		to_scheduler();
}

static void wait(const char *file, int line)
{
	self.running->is = state::waiting;
	self.running->file = file, self.running->line = line;
	to_scheduler();
}

void yield()
{
	check_time();
	to_scheduler();
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

// complete lets the threads of a meeting go on.
static void complete(meeting &g)
{
	machine &m = self;
	if (g.compute) {
		m.in_collective = true;
		g.compute(g.brought.data());
		m.in_collective = false;
	}
	for (unsigned i : g.who)
		m.fibres[i].is = state::ready;
	g.who.clear();
	g.result = g.sum;
	g.open = false;
}

int barrier(unsigned id, unsigned threads, int bring, const char *file, int line)
{
	machine &m = self;
	if (id > 15)
		fail("%s:%d: barrier %u: there are 16", base_name(file), line, id);
	meeting &g = m.barriers[id];
	unsigned want = threads ? threads : m.threads;
	if (!g.open) {
		g.open = true, g.file = file, g.line = line, g.sum = 0, g.arrived = 0, g.expected = want;
	} else if (threads == 0 && (g.file != file || g.line != line)) {
		fail("barrier divergence: some threads wait at %s:%d and this one at %s:%d", base_name(g.file), g.line, base_name(file), line);
	} else if (g.expected != want) {
		fail("%s:%d: barrier %u for %u threads is waited for by some as one for %u", base_name(file), line, id, want, g.expected);
	}
	g.sum += bring, g.arrived++;
	g.who.push_back(m.running->index);
	if (threads == 0 && m.left > 0)
		fail("barrier divergence: %u threads have left the kernel before the barrier at %s:%d", m.left, base_name(file), line);
	if (g.arrived == g.expected) {
		order_times &t = m.times;
		if (g.arrived == m.threads) {
			t.block = ++t.now;
		} else {
			t.named[id] = ++t.now;
			t.in_named[id].assign(m.threads, false);
			for (unsigned i : g.who)
				t.in_named[id][i] = true;
		}
		complete(g);
	} else {
		wait(file, line);
	}
	return g.result;
}

static meeting &find_meeting(unsigned base, unsigned width, unsigned mask)
{
	machine &m = self;
	meeting *unused = nullptr;
	for (meeting &g : m.meetings) {
		if (g.open && g.base == base && g.width == width && g.mask == mask)
			return g;
		if (!g.open)
			unused = &g;
	}
	if (!unused) {
		m.meetings.emplace_back();
		unused = &m.meetings.back();
	}
	return *unused;
}

void meet(int width, unsigned mask, const void *tag, const char *file, int line, void *mine, void (*compute)(void **))
{
	machine &m = self;
	unsigned index = m.running->index, base = index / width * width, place = index - base;
	if (width == 32 && !(mask >> place & 1))
		fail("%s:%d: lane %u is not in the mask %#x of the instruction it executes", base_name(file), line, place, mask);
	meeting &g = find_meeting(base, width, mask);
	if (!g.open) {
		g.open = true, g.tag = tag, g.file = file, g.line = line, g.base = base, g.width = width, g.mask = mask;
		g.arrived = 0, g.expected = 0, g.compute = compute, g.sum = 0;
		g.brought.assign(width, nullptr);
		for (unsigned i = 0; i < (unsigned)width && base + i < m.threads; i++)
			g.expected += width != 32 || (mask >> i & 1);
		if (width == 128 && g.expected != 128)
			fail("%s:%d: a warpgroup has 128 threads, and this one only %u", base_name(file), line, g.expected);
	} else if (g.tag != tag || g.line != line || g.file != file) {
		fail("divergence within a warp: some lanes execute %s:%d and this one %s:%d", base_name(g.file), g.line, base_name(file), line);
	}
	g.brought[place] = mine;
	g.arrived++;
	g.who.push_back(index);
	if (g.arrived == g.expected)
		complete(g);
	else
		wait(file, line);
}

struct nothing {};

void warp_barrier(unsigned mask, const char *file, int line)
{
	nothing mine;
	auto note = [](nothing **) { self.times.warp[self.running->index / 32] = ++self.times.now; };
	warp_collective(mask, mine, note, file, line);
}

// Between blocks: what comes before a fence and an atomic is seen by a block that
// executes an atomic afterwards.
void fence() { self.times.fenced = true; }

void raw_atomic(void *p, void *v, size_t bytes)
{
	machine &m = self;
	order_times &t = m.times;
	check_access(p, bytes, true, true, m.running->index);
	if (t.fenced)
		check_release(++t.now), t.fenced = false;
	t.acquired = ++t.now;
	memcpy(v, p, bytes);
}

void raw_store(void *p, const void *v, size_t bytes) { memcpy(p, v, bytes); }

const void *shared_read(const void *p, size_t bytes)
{
	check_access(p, bytes, false, false, self.running->index);
	return p;
}

void *shared_write(void *p, size_t bytes)
{
	check_access(p, bytes, true, false, self.running->index);
	return p;
}

void async_copy(void *to, const void *from, int bytes, int filled)
{
	if ((size_t)to % bytes || (filled && (size_t)from % bytes))
		fail("an asynchronous copy of %d bytes is not aligned to them", bytes);
	fibre &f = *self.running;
	f.copies.push_back({to, from, bytes, filled, f.group});
}

void async_commit() { self.running->group++; }

void async_wait(int newest)
{
	fibre &f = *self.running;
	auto keep = f.copies.begin();
	for (; keep != f.copies.end() && keep->group < f.group - newest; ++keep) {
		check_access(keep->to, keep->bytes, true, false, f.index);
		if (keep->filled)
			memcpy(keep->to, shared_read(keep->from, keep->filled), keep->filled);
		memset((char *)keep->to + keep->filled, 0, keep->bytes - keep->filled);
	}
	f.copies.erase(f.copies.begin(), keep);
}

void *dynamic_shared() { return self.dynamic_base; }

unsigned long long nanoseconds()
{
	timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000000ull + t.tv_nsec;
}

// The end of a fibre's stack, and what stands there until it is overrun.
constexpr size_t stack_spare = 4096;
constexpr uint64_t canary = 0xb5ad4eceda1ce2a9u;

static void fibre_main()
{
	machine &m = self;
	m.call(m.params);
	m.running->is = state::left;
	m.left++;
	if (memcmp(m.running->stack + stack_spare, &canary, sizeof canary))
		fail("a thread's local memory does not fit the host's stack of %zu bytes", stack_bytes);
	if (m.barriers[0].open)
		fail("barrier divergence: a thread has left the kernel while others wait at %s:%d", base_name(m.barriers[0].file), m.barriers[0].line);
	for (;;)
		to_scheduler();
}

static uint64_t next_random(uint64_t &s)
{
	s ^= s << 13, s ^= s >> 7, s ^= s << 17;  // Marsaglia's xorshift64
	return s;
}

static void arrange(std::vector<unsigned> &order)
{
	machine &m = self;
	if (m.order == 1)
		std::reverse(order.begin(), order.end());
	if (m.order == 2)
		for (size_t i = order.size(); i > 1; i--)
			std::swap(order[i - 1], order[next_random(m.random) % i]);
}

static void stacks_for(unsigned threads)
{
	machine &m = self;
	while (m.fibres.size() < threads) {
		void *p = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED) {
			m.failed = true;
			snprintf(m.error, sizeof m.error, "no memory for the stacks of %u threads", threads);
			return;
		}
		m.fibres.emplace_back();
		m.fibres.back().stack = static_cast<unsigned char *>(p);
	}
}

static void run_block()
{
	machine &m = self;
	m.left = 0;
	m.meetings.clear();
	for (meeting &b : m.barriers)
		b = meeting{};
	// What a block has not written is not to be relied on.
	memset(m.dynamic_base, 0xa5, m.dynamic_bytes);
	check_block();
	for (unsigned i = 0; i < m.threads; i++) {
		fibre &f = m.fibres[i];
		f.index = i;
		f.at = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
		f.is = state::ready;
		f.copies.clear();
		f.group = 0;
		f.stack_pointer = prepare(f.stack, fibre_main);
		memcpy(f.stack + stack_spare, &canary, sizeof canary);
	}
	std::vector<unsigned> order(m.threads);
	while (m.left < m.threads && !m.failed) {
		std::iota(order.begin(), order.end(), 0u);
		arrange(order);
		bool progress = false;
		for (unsigned i : order) {
			fibre &f = m.fibres[i];
			if (f.is != state::ready)
				continue;
			progress = true;
			m.running = &f;
			threadIdx = f.at;
			simt_switch(&m.scheduler, f.stack_pointer);
			if (m.failed)
				return;
		}
		if (!progress) {
			std::map<std::string, int> where;
			for (unsigned i = 0; i < m.threads; i++)
				if (m.fibres[i].is == state::waiting)
					where[std::string(base_name(m.fibres[i].file)) + ":" + std::to_string(m.fibres[i].line)]++;
			std::string text;
			for (auto &[place, n] : where)
				text += (text.empty() ? "" : ", ") + std::to_string(n) + " at " + place;
			m.failed = true;
			snprintf(m.error, sizeof m.error, "deadlock in block (%u,%u,%u): %u of %u threads have left, and the others wait: %s", blockIdx.x,
			         blockIdx.y, blockIdx.z, m.left, m.threads, text.c_str());
		}
	}
}

struct entry { void (*call)(void **); int arguments; };
static std::map<std::string, entry> &kernels()
{
	static std::map<std::string, entry> all;
	return all;
}
void add(const char *name, void (*call)(void **), int arguments) { kernels()[name] = {call, arguments}; }

static int launch(const char *name, const unsigned grid[3], const unsigned block[3], unsigned shared, void **params)
{
	machine &m = self;
	m.failed = false;
	m.error[0] = 0;
	auto k = kernels().find(name);
	if (k == kernels().end()) {
		snprintf(m.error, sizeof m.error, "there is no kernel %s", name);
		return 1;
	}
	uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
	if (threads < 1 || threads > 1024 || block[2] > 64 || grid[0] < 1 || grid[1] < 1 || grid[2] < 1 || grid[1] > 65535 || grid[2] > 65535 || shared > 227 * 1024) {
		// The limits of compute capability 8.0 to 9.0 (CUDA C++ Programming Guide, "Technical Specifications").
		snprintf(m.error, sizeof m.error, "%s: grid (%u,%u,%u) of blocks (%u,%u,%u) with %u bytes of shared memory cannot be launched", name,
		         grid[0], grid[1], grid[2], block[0], block[1], block[2], shared);
		return 2;
	}
	m.threads = (unsigned)threads;
	m.call = k->second.call, m.params = params, m.arguments = k->second.arguments;
	blockDim = {block[0], block[1], block[2]};
	gridDim = {grid[0], grid[1], grid[2]};
	if (m.dynamic.size() < shared + 2048)
		m.dynamic.resize(shared + 2048);
	m.dynamic_base = reinterpret_cast<unsigned char *>((reinterpret_cast<uintptr_t>(m.dynamic.data()) + 1023) / 1024 * 1024);
	m.dynamic_bytes = shared;
	m.times = order_times{};
	for (auto &in : m.times.in_named)
		in.assign(m.threads, false);
	stacks_for(m.threads);
	check_begin();
	std::vector<unsigned> blocks(grid[0] * (size_t)grid[1] * grid[2]);
	std::iota(blocks.begin(), blocks.end(), 0u);
	arrange(blocks);
	for (unsigned b : blocks) {
		if (m.failed)
			break;
		m.block_number = b;
		blockIdx = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
		m.times.acquired = 0, m.times.fenced = false;
		run_block();
	}
	m.running = nullptr;
	m.in_collective = false;
	check_end();
	if (!m.failed)
		return 0;
	std::string text = std::string(name) + ": " + m.error;
	snprintf(m.error, sizeof m.error, "%s", text.c_str());
	return 2;
}
}

#define API __attribute__((visibility("default")))
extern "C" {
API int simt_launch(const char *name, const unsigned grid[3], const unsigned block[3], unsigned shared, void **params)
{
	return simt::launch(name, grid, block, shared, params);
}
API const char *simt_error() { return simt::self.error; }
API int simt_arguments(const char *name)
{
	auto k = simt::kernels().find(name);
	return k == simt::kernels().end() ? -1 : k->second.arguments;
}
API const char *simt_kernel(int i)
{
	if (i < 0 || (size_t)i >= simt::kernels().size())
		return nullptr;
	return std::next(simt::kernels().begin(), i)->first.c_str();
}
API void simt_order(int order, unsigned seed)
{
	simt::self.order = order;
	simt::self.random = 0x9e3779b97f4a7c15u ^ seed;
}
}
