package gpu

import (
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/datasets"
)

// simulatedNode has NCCL too.
func simulatedNode(t *testing.T, gpus int) *Backend {
	t.Helper()
	truth := fakedriver.Truth{Devices: gpus, Peer: 100e9, Collective: 5e-6, L2Bytes: 64 << 10}
	t.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
	return simulatedBackend(t, truth)
}

// Dense and with experts, more KV heads than GPUs, as many, and fewer, which are
// then held by several; every launch mode, and batches that run on.
func TestTensorParallelLayersAgreeWithReference(t *testing.T) {
	b := simulatedNode(t, 4)
	for name, change := range map[string]func(*datasets.DecodeLayer){
		"dense":         func(w *datasets.DecodeLayer) {},
		"one KV head":   func(w *datasets.DecodeLayer) { w.KVHeads = 1 },
		"all KV heads":  func(w *datasets.DecodeLayer) { w.KVHeads = 8 },
		"experts":       func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Type = 5, 2, datasets.FP16 },
		"plain experts": func(w *datasets.DecodeLayer) { w.Experts, w.TopK, w.Gated, w.Launch = 3, 1, false, "eager" },
	} {
		t.Run(name, func(t *testing.T) {
			ranks := []int{2}
			if name == "one KV head" {
				ranks = append(ranks, 4)
			}
			for _, tp := range ranks {
				w := decodeLayer(func(w *datasets.DecodeLayer) {
					w.Heads, w.KVHeads, w.FFWidth, w.Launch = 8, 4, 64, "graph"
					change(w)
					w.TP, w.Ranks = tp, tp
				})
				c, err := b.Prepare(w)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := c.Check(); err != nil || got.Wrong != 0 {
					t.Fatalf("%+v, %v", got, err)
				}
				// Two all-reduces of 5 µs an iteration at least.
				if got, err := c.Batch(20); err != nil || got.Seconds < 20*2*5e-6 {
					t.Errorf("20 iterations took %g s, %v", got.Seconds, err)
				}
				if got, err := c.Check(); err != nil || got.Wrong != 0 {
					t.Errorf("after a batch: %+v, %v", got, err)
				}
				if name, _ := c.Implementation(); !strings.Contains(name, "NCCL") {
					t.Error(name)
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The sums of the all-reduces are checked by themselves.
func TestTensorParallelCheckSeesAWrongSum(t *testing.T) {
	b := simulatedNode(t, 2)
	w := decodeLayer(func(w *datasets.DecodeLayer) { w.Heads, w.KVHeads, w.FFWidth, w.TP, w.Ranks = 8, 4, 64, 2, 2 })
	c, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	team := c.(*team)
	if got, err := team.Check(); err != nil || got.Wrong != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	// The first sequence's sum on rank 1, in the one all-reduce and in the other.
	for i, r := range team.layers[1].joints {
		if err := team.layers[1].g.ctx.ToDevice(r.to.p, make([]byte, 2*96)); err != nil {
			t.Fatal(err)
		}
		if got, err := team.checkSums(); err != nil || got.Wrong < 96*9/10 || got.Wrong > 2*96 {
			t.Errorf("the row of all-reduce %d was cleared: %+v, %v", i, got, err)
		}
	}
}

// Without NCCL a layer over several GPUs is refused by name, and one is not.
func TestTensorParallelNeedsNCCL(t *testing.T) {
	t.Setenv("BENCH_LIBNCCL", "/nonexistent/libnccl.so.2")
	b := simulatedBackend(t, fakedriver.Truth{Devices: 2})
	w := decodeLayer(func(w *datasets.DecodeLayer) { w.Heads, w.KVHeads, w.FFWidth, w.TP, w.Ranks = 8, 4, 64, 2, 2 })
	if _, err := b.Prepare(w); err == nil || !strings.Contains(err.Error(), "NCCL") {
		t.Error(err)
	}
	w.TP, w.Ranks = 1, 1
	checkAll(t, b, w)
}
