package host

/*
#include "allreduce.h"
*/
import "C"

import (
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

const (
	// oneShotBytes is up to what size every rank of the direct algorithm adds
	// up the whole buffer for itself: a cache line or two cost less than
	// another rank's writes to them.
	oneShotBytes = 2 << 10
	// ringChunkBytes is what a rank of a ring passes on at once. Three such
	// chunks (own, left, result) lie well inside a private L2.
	ringChunkBytes = 128 << 10
)

var elements = map[datasets.DType]C.int{
	datasets.FP32: C.ELEMENT_F32, datasets.FP64: C.ELEMENT_F64, datasets.BF16: C.ELEMENT_BF16,
}

// collective is an all-reduce ready to run.
type collective struct {
	operands
	team   *team
	kernel C.bench_kernel
	arg    *C.allreduce_arg
	name   string
	ranks  int
	total  int64 // elements of all outputs together
}

// collectiveBytes is the buffers of all ranks, an input and an output each, or
// one where in place.
func collectiveBytes(w datasets.Collective) int64 {
	n := int64(w.Ranks) * w.SizeBytes
	if !w.InPlace {
		n *= 2
	}
	return n
}

func (b *Backend) prepareCollective(w datasets.Collective) (microbench.Case, error) {
	element, known := elements[w.Type]
	size := int64(w.Type.Size())
	switch {
	case w.Kind != "all_reduce":
		return nil, skip("allreduce: the host has no kernel for %s", w.Kind)
	case w.Nodes != 1:
		return nil, skip("allreduce asks for %d nodes, the host is one", w.Nodes)
	case w.Algorithm != "ring" && w.Algorithm != "direct":
		return nil, skip("allreduce: the host has no algorithm %q, only ring and direct", w.Algorithm)
	case w.Launch != "":
		return nil, skip("allreduce: the host has no launch mode %q", w.Launch)
	case !known:
		return nil, skip("allreduce: the host adds no %s, only fp32, fp64 and bf16", w.Type)
	case w.SizeBytes%size != 0:
		return nil, skip("allreduce: %d bytes are no whole number of %s elements", w.SizeBytes, w.Type)
	}
	if err := b.fits(w, collectiveBytes(w)); err != nil {
		return nil, err
	}
	t, err := b.team(w.Ranks)
	if err != nil {
		return nil, err
	}
	c := &collective{team: t, ranks: w.Ranks, total: w.SizeBytes / size * int64(w.Ranks)}
	if err := c.allocate(w); err != nil {
		c.Close()
		return nil, err
	}
	a := c.arg
	a.element, a.isa = element, C.int(bestISA())
	a.count, a.chunk = C.long(w.SizeBytes/size), C.long(ringChunkBytes/size)
	// bf16 holds integers up to 256 exactly.
	a.modulus = C.int(min(8, max(2, 256/w.Ranks)))
	// Results that no cache can hold go past them.
	if !w.InPlace && float64(collectiveBytes(w)) > b.device.LastLevel().SizeBytes.Value {
		a.stream = 1
	}
	c.kernel, c.name = C.bench_kernel(C.allreduce_ring), "ring"
	if w.Algorithm == "direct" {
		c.kernel, c.name = C.bench_kernel(C.allreduce_direct), "direct"
		if !w.InPlace && w.SizeBytes <= oneShotBytes {
			a.one_shot, c.name = 1, "direct, one shot"
		}
	}
	c.name += " over shared memory, " + bestISA().String()
	return c, nil
}

// allocate maps every rank's buffers and the argument that points to them.
func (c *collective) allocate(w datasets.Collective) error {
	o, n := &c.operands, int64(w.Ranks)
	a := argument[C.allreduce_arg](o)
	a.in, a.out = array[unsafe.Pointer](o, n), array[unsafe.Pointer](o, n)
	a.progress, a.counts = array[C.ring_progress](o, n), array[C.rank_count](o, n)
	if c.arg = a; o.err != nil {
		return o.err
	}
	in, out := unsafe.Slice(a.in, n), unsafe.Slice(a.out, n)
	for r := range in {
		in[r] = o.get(w.SizeBytes)
		if out[r] = in[r]; !w.InPlace {
			out[r] = o.get(w.SizeBytes)
		}
	}
	return o.err
}

// Check compares every element of every rank's result with the exact sum: the
// inputs are small integers.
func (c *collective) Check() (microbench.Check, error) {
	c.team.run(C.bench_kernel(C.allreduce_fill), unsafe.Pointer(c.arg), 1)
	c.team.run(c.kernel, unsafe.Pointer(c.arg), 1)
	return c.count(), nil
}

// count compares the outputs as they are.
func (c *collective) count() microbench.Check {
	c.team.run(C.bench_kernel(C.allreduce_check), unsafe.Pointer(c.arg), 1)
	out := microbench.Check{Checked: c.total}
	for _, r := range unsafe.Slice(c.arg.counts, c.ranks) {
		out.Wrong += int64(r.wrong)
	}
	return out
}

// Batch makes n all-reduces, with a barrier after each. In place, each adds up
// the last one's results, as nccl-tests do; what overflows stays infinite at
// the same cost.
func (c *collective) Batch(n int64) (microbench.Timing, error) {
	return c.team.batch(c.kernel, unsafe.Pointer(c.arg), n), nil
}

func (c *collective) Implementation() (name, version string) { return c.name, "" }

func (c *collective) Close() error {
	c.free()
	return nil
}
