package host

/*
#include <stdlib.h>
#include "isa.h"
#include "memory.h"
#include "stream.h"
#include "team.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// streamKernels are the operations of suite hbm that pass over memory.
var streamKernels = map[string]C.int{
	"read":     C.STREAM_READ,
	"write":    C.STREAM_WRITE,
	"write_nt": C.STREAM_WRITE_NT,
	"copy":     C.STREAM_COPY,
	"copy_nt":  C.STREAM_COPY_NT,
	"scale":    C.STREAM_SCALE,
	"triad":    C.STREAM_TRIAD,
	"triad_nt": C.STREAM_TRIAD_NT,
}

const (
	lineBytes = 64
	hugePage  = 2 << 20
	// skew keeps the arrays of a large part apart by an odd number of lines, so
	// that equal offsets in them do not share a set of the cache, nor the low 12
	// bits that Intel's loads are compared with earlier stores by ("4K
	// aliasing", Intel optimisation manual 248966, 15.8).
	skew = 9 * lineBytes
)

// streamCase is a pass over memory, a dependent-load chain or an empty launch.
//
// One iteration of a pass is one pass of every worker over its own part. The
// workers make all passes of a batch on their own and meet once, at the end: a
// barrier would cost more than a pass over L1. One iteration of latency is one
// load on every worker. One iteration of launch is an empty kernel on all
// workers with the barrier that ends it.
type streamCase struct {
	w     datasets.Stream
	isa   ISA
	team  *team
	work  *C.stream_work // nil for launch
	parts []C.stream_part
}

// prepareStream maps every worker's part and lets the worker touch it first.
func (b *Backend) prepareStream(w datasets.Stream) (microbench.Case, error) {
	return b.prepareStreamISA(w, bestISA())
}

func (b *Backend) prepareStreamISA(w datasets.Stream, isa ISA) (*streamCase, error) {
	c := &streamCase{w: w, isa: isa}
	kernel, isPass := streamKernels[w.Kernel]
	element := int64(w.Type.Size())
	switch {
	case w.Kernel == "launch":
		var err error
		c.team, err = b.team(w.Ranks)
		return c, err
	case w.Kernel == "latency":
		element = lineBytes
	case !isPass:
		return nil, skip("the host has no kernel for hbm/%s", w.Kernel)
	case w.Type != datasets.FP64 && w.Type != datasets.FP32:
		return nil, skip("the host's hbm/%s kernel passes over fp64 and fp32, not %s", w.Kernel, w.Type)
	case isa == Plain && (w.Kernel == "write_nt" || w.Kernel == "copy_nt" || w.Kernel == "triad_nt"):
		return nil, skip("hbm/%s needs non-temporal stores, which the host has kernels for on x86-64 with AVX2 or AVX-512 only", w.Kernel)
	}
	reads, writes := w.Arrays()
	arrays := int64(reads + writes)
	counts := split(w.SizeBytes/element/arrays, lineBytes/element, int64(w.Ranks))
	if counts == nil {
		return nil, skip("hbm/%s: %d bytes are less than a cache line of each of %d arrays for each of %d ranks",
			w.Kernel, w.SizeBytes, arrays, w.Ranks)
	}
	var total int64
	for _, n := range counts {
		total += partBytes(n*element, arrays) + hugePage
	}
	if err := b.fits(w, total); err != nil {
		return nil, err
	}
	var err error
	if c.team, err = b.team(w.Ranks); err != nil {
		return nil, err
	}
	c.allocate()
	c.work.kernel, c.work.isa, c.work.element = kernel, C.int(isa), C.int(element)
	c.work.q, c.work.seed = 3, 1
	if w.Kernel == "read" && w.Type == datasets.FP32 && counts[0] > 1<<25 {
		// Beyond exact sums: 2^20 additions a lane (stream.h), each rounding by
		// at most 2^-24 of the sum so far (Higham, "Accuracy and Stability",
		// 2nd ed., eq. 4.4).
		c.work.bound = C.double(float64(counts[0]) / 32 * 0x1p-24)
	}
	for r, n := range counts {
		if err := c.reserve(r, n, element, arrays); err != nil {
			c.Close()
			return nil, fmt.Errorf("%s: %w", w.Key(), err)
		}
	}
	if w.Kernel == "latency" {
		c.team.run(C.bench_kernel(C.latency_link), unsafe.Pointer(c.work), 1)
	} else {
		c.team.run(C.bench_kernel(C.stream_fill), unsafe.Pointer(c.work), 1)
	}
	return c, nil
}

// split shares n elements out among ranks in whole lines of perLine elements,
// the rest to the last rank, or returns nil where a rank would have no line.
func split(n, perLine, ranks int64) []int64 {
	lines := n / perLine
	if lines < ranks {
		return nil
	}
	counts := make([]int64, ranks)
	for r := range ranks {
		counts[r] = ((r+1)*lines/ranks - r*lines/ranks) * perLine
	}
	counts[ranks-1] += n % perLine
	return counts
}

// partBytes is the memory for a part's arrays of that many bytes each.
func partBytes(array, arrays int64) int64 { return arrays * arrayStride(array) }

func arrayStride(bytes int64) int64 {
	stride := (bytes + lineBytes - 1) / lineBytes * lineBytes
	if bytes > 1<<16 {
		stride += skew
	}
	return stride
}

// allocate gives the case its C structures; the parts lie in C memory too.
func (c *streamCase) allocate() {
	c.work = (*C.stream_work)(C.calloc(1, C.sizeof_stream_work))
	c.work.parts = (*C.stream_part)(C.calloc(C.size_t(c.w.Ranks), C.sizeof_stream_part))
	c.parts = unsafe.Slice(c.work.parts, c.w.Ranks)
}

// reserve maps the memory of rank r for that many elements an array, untouched.
func (c *streamCase) reserve(r int, count, element, arrays int64) error {
	p := &c.parts[r]
	p.count = C.size_t(count)
	// Whole huge pages, so that a small part has one too.
	bytes := C.size_t((partBytes(count*element, arrays) + hugePage - 1) / hugePage * hugePage)
	base, err := C.memory_reserve(bytes)
	if base == nil {
		return fmt.Errorf("%d bytes of memory were refused by the system: %w", bytes, err)
	}
	p.base, p.bytes = base, bytes
	for a := range arrays {
		p.array[a] = unsafe.Add(base, a*arrayStride(count*element))
	}
	return nil
}

// checkedLoads is no multiple of the chase's unrolling.
const checkedLoads = 1003

// Check makes one pass over spoilt results and recomputes every element. For
// latency it walks every worker's chain, which must visit each line once, and
// then has the kernel follow it for a while. An empty launch has no answer to
// check.
func (c *streamCase) Check() (microbench.Check, error) {
	var check microbench.Check
	switch {
	case c.work == nil:
		return check, nil
	case c.w.Kernel == "latency":
		for r := range c.parts {
			p := &c.parts[r]
			check.Checked += int64(p.count)
			if int64(C.latency_cycle(c.work, C.int(r))) != int64(p.count) {
				check.Wrong++
			}
			p.chain = p.array[0]
		}
		if check.Wrong > 0 {
			return check, nil // a chain that leads elsewhere is not followed
		}
		c.work.passes = checkedLoads
		c.team.run(C.bench_kernel(C.latency_chase), unsafe.Pointer(c.work), 1)
		for r := range c.parts {
			if C.latency_followed(c.work, C.int(r), checkedLoads) == 0 {
				check.Wrong++
			}
			c.parts[r].chain = c.parts[r].array[0]
		}
		return check, nil
	}
	c.team.run(C.bench_kernel(C.stream_spoil), unsafe.Pointer(c.work), 1)
	c.work.passes = 1
	c.team.run(C.bench_kernel(C.stream_pass), unsafe.Pointer(c.work), 1)
	return c.compare(), nil
}

// compare checks the answer that the last pass left.
func (c *streamCase) compare() microbench.Check {
	check := microbench.Check{Bound: float64(c.work.bound)}
	c.team.run(C.bench_kernel(C.stream_check), unsafe.Pointer(c.work), 1)
	for r := range c.parts {
		p := &c.parts[r]
		check.Wrong += int64(p.wrong)
		if c.w.Kernel == "read" {
			check.Checked++ // one sum a worker
		} else {
			check.Checked += int64(p.count)
		}
		check.MaxRelError = max(check.MaxRelError, float64(p.worst))
	}
	return check
}

// Batch makes n passes, loads or launches.
func (c *streamCase) Batch(n int64) (microbench.Timing, error) {
	if c.work == nil {
		return c.team.batch(C.bench_kernel(C.launch_empty), nil, n), nil
	}
	kernel := C.bench_kernel(C.stream_pass)
	if c.w.Kernel == "latency" {
		kernel = C.bench_kernel(C.latency_chase)
	}
	c.work.passes = C.long(n)
	return c.team.batch(kernel, unsafe.Pointer(c.work), 1), nil
}

// Implementation names the instruction set that the pass is written in.
func (c *streamCase) Implementation() (name, version string) {
	switch c.w.Kernel {
	case "latency", "launch":
		return "builtin", "C"
	}
	return "builtin", c.isa.String()
}

// Close unmaps the parts.
func (c *streamCase) Close() error {
	if c.work == nil {
		return nil
	}
	for r := range c.parts {
		p := &c.parts[r]
		C.memory_unmap(p.base, p.bytes)
	}
	C.free(unsafe.Pointer(c.work.parts))
	C.free(unsafe.Pointer(c.work))
	c.work, c.parts = nil, nil
	return nil
}
