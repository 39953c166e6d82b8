package gpu

import (
	"math"
	"strings"
	"testing"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/datasets"
)

// slowHost is a node of two GPUs whose host takes so long over a call: 10 µs and
// 2^20 bytes at 100 GB/s each all-reduce.
func slowHost(t *testing.T, callS float64) *Backend {
	t.Helper()
	truth := fakedriver.Truth{Devices: 2, Peer: 100e9, Collective: 10e-6, Kernel: 1e-6, HostLaunch: callS}
	t.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
	return simulatedBackend(t, truth)
}

// Where the host takes so long that the holding kernels give up, fewer launches are
// held until it suffices, and the time is the devices'. Eager launches, which nothing
// holds, come at the host's pace.
func TestAHoldThatGivesUpHoldsFewer(t *testing.T) {
	const device = 10e-6 + float64(1<<20)/100e9
	reduce := datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 1 << 20, Ranks: 2, Nodes: 1}
	for _, c := range []struct {
		w              datasets.Workload
		launch         string
		callS, seconds float64
		n, from, to    int64
	}{
		// Behind the first spin, which lasts 1 s, come a spin and three events, and for each
		// launch, group or graph, a call for each GPU.
		{reduce, "", 15e-3, device, 50, 50, 25},
		{reduce, "", 15e-3, device, 120, 50, 25},
		{reduce, "", 100e-3, device, 3, 50, 1},
		{reduce, "graph", 60e-3, device, 8 * graphGroups, 8, 4},
		{reduce, "eager", 100e-3, 42. / 20 * 100e-3, 20, 50, 50}, // 20 groups and the events
		{datasets.Stream{Kernel: "launch", Ranks: 1}, "", 15e-3, 1e-6, 250, 250, 62},
	} {
		if r, ok := c.w.(datasets.Collective); ok {
			r.Launch = c.launch
			c.w = r
		}
		t.Run(c.w.Key(), func(t *testing.T) {
			one, err := slowHost(t, c.callS).Prepare(c.w)
			if err != nil {
				t.Fatal(err)
			}
			defer one.Close()
			x := one.(*gpuCase)
			if x.held != c.from {
				t.Fatalf("%d launches are held at first, want %d", x.held, c.from)
			}
			got, err := x.Batch(c.n)
			if err != nil {
				t.Fatal(err)
			}
			if each := got.Seconds / float64(c.n); math.Abs(each/c.seconds-1) > 1e-3 {
				t.Errorf("%g s each, want %g", each, c.seconds)
			}
			if x.held != c.to {
				t.Errorf("%d launches are held in the end, want %d", x.held, c.to)
			}
		})
	}
}

// A host that takes longer over one launch than a GPU is held: a sentence, and not
// one try after another for ever. The backend does not open without its clock.
func TestAHostTooSlowForOneLaunchIsSaid(t *testing.T) {
	b := slowHost(t, 15e-3)
	one, err := b.Prepare(datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 1 << 20, Ranks: 2, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	x := one.(*gpuCase)
	tries, enqueue := 0, x.enqueue
	x.enqueue = func(s *cuda.Stream, i int64) error {
		tries++
		for range 40 { // calls of 15 ms on each of two GPUs
			if err := enqueue(s, i); err != nil {
				return err
			}
		}
		return nil
	}
	if _, err := x.Batch(1); err == nil || !strings.Contains(err.Error(), "the host took more than 1 s to enqueue one launch") {
		t.Error(err)
	}
	if tries != 5+maxGaveUp { // 50, 25, 12, 6, 3 held, and then 1
		t.Errorf("%d tries", tries)
	}
}
