// machine.h: the parts of the SIMT machine that its files share.
#ifndef BENCH_SIMT_MACHINE_H
#define BENCH_SIMT_MACHINE_H

#include <cstdint>
#include <vector>

#include "../simt.h"
#include "../simt_api.h"

namespace simt {

// A copy that has been asked for and not yet made.
struct copy {
	void *to;
	const void *from;
	int bytes, filled, group;
};

enum class state { ready, waiting, left };

struct fibre {
	void *stack_pointer = nullptr;
	unsigned char *stack = nullptr;
	uint3 at{};
	unsigned index = 0;
	state is = state::ready;
	const char *file = "";  // where it waits
	int line = 0;
	std::vector<copy> copies;
	int group = 0;  // of copies not committed yet
};

// Threads that wait for each other: a barrier, or a collective of a warp or warpgroup.
struct meeting {
	bool open = false;
	const void *tag = nullptr;
	const char *file = "";
	int line = 0;
	unsigned base = 0, width = 0, mask = 0, arrived = 0, expected = 0;
	int sum = 0, result = 0;
	std::vector<void *> brought;
	std::vector<unsigned> who;
	void (*compute)(void **) = nullptr;
};

// Time for the race check (race.cc): it steps whenever threads are ordered.
struct order_times {
	uint32_t now = 1;
	uint32_t block = 0;                 // the last barrier of all of the block
	uint32_t warp[32] = {};             // the last barrier of each warp
	uint32_t named[16] = {};            // the last of each named barrier
	std::vector<bool> in_named[16];     // and who was in it
	uint32_t acquired = 0;  // between blocks: the last atomic, which released the block if a fence came before
	bool fenced = false;
};

struct machine {
	std::vector<fibre> fibres;
	fibre *running = nullptr;
	void *scheduler = nullptr;  // its stack pointer
	unsigned threads = 0, left = 0, block_number = 0;
	meeting barriers[16];
	std::vector<meeting> meetings;
	std::vector<unsigned char> dynamic;
	unsigned char *dynamic_base = nullptr;
	size_t dynamic_bytes = 0;
	void (*call)(void **) = nullptr;
	void **params = nullptr;
	int arguments = 0;
	bool in_collective = false;
	bool failed = false;
	char error[512] = {};
	int order = 0;
	uint64_t random = 1;
	uint64_t steps = 0;
	order_times times;
};

extern __attribute__((visibility("hidden"))) thread_local machine self;

constexpr size_t stack_bytes = 256 << 10;

// The race and bounds check, which a library without instrumentation has too
// for collectives, atomics and asynchronous copies.
void check_begin();
void check_end();
void check_block();
void check_release(uint32_t when);
void check_time();
void check_access(const void *p, size_t bytes, bool write, bool is_atomic, unsigned thread);
}

#endif
