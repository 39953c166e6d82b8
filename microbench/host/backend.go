// Package host measures workloads on the CPU: a team of pinned threads runs
// kernels written in C, between two readings of the clock in C. One file of Go
// and one of C a suite.
package host

/*
#include "team.h"
*/
import "C"

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
	"bench/probes"
)

// Options of a backend. The zero value is right.
type Options struct {
	// CPUs to pin workers to, in the order of their ranks; nil is one hardware
	// thread of every core that the process may use.
	CPUs []int
	// Library makes the matrix products of suite gemm: one of microbench.Libraries, "" being
	// "auto".
	Library string

	// oversubscribe lets tests run more workers than there are cores.
	oversubscribe bool
	// root holds the /proc and /sys to read, nil being this machine's.
	root fs.FS
}

// Backend is the CPU as a device. It implements microbench.Backend, and is for
// one goroutine.
type Backend struct {
	options Options
	cpus    []int
	device  datasets.Device
	teams   map[int]*team
	// sentinel is the memory of Sentinel, nil before its first run.
	sentinel    *operands
	sentinelArg unsafe.Pointer
}

var _ microbench.Backend = (*Backend)(nil)

// New looks at the machine. It starts no thread yet.
func New(o Options) (*Backend, error) {
	if o.root == nil {
		o.root = os.DirFS("/")
	}
	cpus := o.CPUs
	if cpus == nil {
		var err error
		if cpus, err = allowedCPUs(o.root); err != nil {
			return nil, err
		}
	}
	b := &Backend{options: o, cpus: cpus, device: describe(o.root, cpus), teams: map[int]*team{}}
	b.device.ClockHz, b.device.PeakFLOPs = peaks(b)
	return b, nil
}

// Device describes the machine: its figures are the kernel's, its arithmetic
// peaks computed from instruction set, cores and clock. No memory bandwidth is
// published for the machine that happens to be at hand, so it stays unknown.
func (b *Backend) Device() datasets.Device { return b.device }

// CPU is the number of the CPU that a rank is pinned to.
func (b *Backend) CPU(rank int) int { return b.cpus[rank] }

// Cores is how many workers a case may have.
func (b *Backend) Cores() int { return len(b.cpus) }

// Prepare allocates and fills what the workload needs.
func (b *Backend) Prepare(w datasets.Workload) (microbench.Case, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if n := w.Workers(); n > len(b.cpus) && !b.options.oversubscribe {
		return nil, skip("%s asks for %d ranks, this machine has %d cores", w.Suite(), n, len(b.cpus))
	}
	switch w := w.(type) {
	case datasets.Stream:
		return b.prepareStream(w)
	case datasets.GEMM:
		return b.prepareGEMM(w)
	case datasets.Collective:
		return b.prepareCollective(w)
	case datasets.DecodeLayer:
		return b.prepareDecode(w)
	case datasets.Attention:
		return b.prepareAttention(w)
	case datasets.MoELayer:
		return b.prepareMoE(w)
	}
	return nil, skip("the host has no kernel for %s/%s", w.Suite(), w.Op())
}

// Close ends the workers. Cases prepared here are unusable afterwards.
func (b *Backend) Close() error {
	for _, t := range b.teams {
		t.close()
	}
	clear(b.teams)
	if b.sentinel != nil {
		b.sentinel.free()
		b.sentinel = nil
	}
	return nil
}

// team is the team of that many workers, started once and kept: its threads
// sleep while another team works.
func (b *Backend) team(ranks int) (*team, error) {
	if t := b.teams[ranks]; t != nil {
		return t, nil
	}
	pins := make([]int, ranks)
	for r := range pins {
		pins[r] = b.cpus[r%len(b.cpus)]
	}
	t, err := newTeam(pins)
	if err != nil {
		return nil, err
	}
	b.teams[ranks] = t
	return t, nil
}

// reserve is memory that is never handed out: the program and its neighbours
// live on it.
const reserve = 512 << 20

// fits refuses what the machine has no memory for, before it is allocated.
func (b *Backend) fits(w datasets.Workload, bytes int64) error {
	if free, err := probes.AvailableBytes(b.options.root); err == nil && bytes > free-reserve {
		return skip("%s/%s needs %.2f GB of memory and %.2f GB are available, of which %.2f GB are left alone",
			w.Suite(), w.Op(), float64(bytes)/1e9, float64(free)/1e9, reserve/1e9)
	}
	return nil
}

func skip(format string, args ...any) error {
	return &microbench.SkipError{Reason: fmt.Sprintf(format, args...)}
}

var clock = sync.OnceValues(func() (resolution, overhead float64) {
	var r, o C.double
	C.clock_measure(&r, &o)
	return float64(r), float64(o)
})

// ClockResolution measures, once, the smallest step between two readings of
// the clock that times the batches (CLOCK_MONOTONIC_RAW), and what a reading
// costs, both in seconds.
func ClockResolution() (resolution, overhead float64) { return clock() }
