package gpu

import (
	"context"
	"math"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench/launcher"
)

// node is a simulated node of so many GPUs whose collectives take 5 µs and the
// wires' time at 100 GB/s.
func node(t *testing.T, gpus int) string {
	t.Helper()
	truth := fakedriver.Truth{Devices: gpus, Peer: 100e9, Collective: 5e-6, HostLaunch: 1e-15}
	t.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
	return fakedriver.Driver(t, truth)
}

// Every collective gives the right answer on every rank, and takes the time that
// the simulated node gives it, graphs and subsets of the GPUs included.
func TestCollectivesOfANode(t *testing.T) {
	b, err := New(Options{Library: node(t, 4)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, kind := range []string{"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv", "broadcast"} {
		for _, c := range []datasets.Collective{
			{Type: datasets.BF16, SizeBytes: 1 << 20, Ranks: 4, Launch: "graph"},
			{Type: datasets.FP16, SizeBytes: 3 * 4096, Ranks: 4, Launch: "eager"},
			{Type: datasets.FP32, SizeBytes: 1 << 16, Ranks: 2, Launch: "graph", InPlace: true},
			{Type: datasets.INT8, SizeBytes: 40, Ranks: 4},
		} {
			c.Kind, c.Nodes = kind, 1
			if c.InPlace && (kind == "all_to_all" || kind == "send_recv") {
				continue
			}
			one, err := b.Prepare(c)
			if err != nil {
				t.Fatalf("%s: %v", c.Key(), err)
			}
			k, err := one.Check()
			if err != nil || k.Wrong > 0 || k.Checked == 0 {
				t.Errorf("%s: %d of %d wrong, %v", c.Key(), k.Wrong, k.Checked, err)
			}
			got, err := one.Batch(32)
			if err != nil || got.Seconds <= 32*5e-6 {
				t.Errorf("%s: 32 took %g s, %v", c.Key(), got.Seconds, err)
			}
			if name, version := one.Implementation(); name != "nccl" || version == "" {
				t.Errorf("implementation %s %s", name, version)
			}
			if err := one.Close(); err != nil {
				t.Errorf("%s: %v", c.Key(), err)
			}
		}
	}
}

// together is rank 0 of two processes (here two backends of one) with a GPU each,
// and how to end them.
func together(t *testing.T) (b *Backend, end func()) {
	t.Helper()
	library := node(t, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	open := func(rank int) *Backend {
		g, err := launcher.Join(ctx, launcher.Place{Rank: rank, Size: 2, Local: rank, Nodes: 1, Address: address, By: "torchrun"})
		if err != nil {
			t.Error(err)
			return nil
		}
		b, err := New(Options{Library: library, Devices: []int{rank}, Group: g})
		if err != nil {
			t.Error(err)
			return nil
		}
		return b
	}
	var follower sync.WaitGroup
	follower.Go(func() {
		if b := open(1); b != nil {
			if err := b.Follow(); err != nil {
				t.Errorf("rank 1: %v", err)
			}
			b.Close()
		}
	})
	b = open(0)
	if b == nil {
		t.FailNow()
	}
	return b, func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		follower.Wait()
	}
}

// Two processes measure an all-reduce together: rank 0 says what to do, both answers
// are checked, and the slower time counts.
func TestCollectivesOfSeveralProcesses(t *testing.T) {
	b, end := together(t)
	defer end()
	w := datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 4096, Ranks: 2, Nodes: 1, Launch: "graph"}
	c, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	k, err := c.Check()
	if err != nil || k.Wrong != 0 || k.Checked != 2*2048 {
		t.Errorf("checked %d elements of two ranks, %d wrong, %v", k.Checked, k.Wrong, err)
	}
	if got, err := c.Batch(16); err != nil || got.Seconds <= 16*5e-6 {
		t.Errorf("16 took %g s, %v", got.Seconds, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// What one rank refuses is refused for all, and the next case goes on.
	w.SizeBytes = 1 << 40
	if _, err := b.Prepare(w); err == nil || !strings.Contains(err.Error(), "rank") {
		t.Errorf("a terabyte is prepared: %v", err)
	}
	w.Ranks = 3
	if _, err := b.Prepare(w); err == nil {
		t.Error("three ranks of two processes are prepared")
	}
}

// Rank 0's hold gives up twice, and rank 1's does not: both repeat the batch, since
// rank 0 alone would wait for rank 1 for ever.
func TestAHoldThatGivesUpInOneOfSeveralProcesses(t *testing.T) {
	b, end := together(t)
	defer end()
	c, err := b.Prepare(datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 4096, Ranks: 2, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	led := c.(*ledCase)
	spin, err := b.gpus[0].holding()
	if err != nil {
		t.Fatal(err)
	}
	tries, enqueue := 0, led.enqueue
	led.enqueue = func(s *cuda.Stream, i int64) error {
		if tries++; tries <= 2 {
			atomic.StoreUint32(spin.gave, 1)
		}
		return enqueue(s, i)
	}
	got, err := led.Batch(1)
	if want := 5e-6 + 4096/100e9; err != nil || math.Abs(got.Seconds/want-1) > 1e-3 {
		t.Errorf("%g s, %v, want %g", got.Seconds, err, want)
	}
	if tries != 3 || led.held != 50/4 {
		t.Errorf("%d tries, %d are held", tries, led.held)
	}
}
