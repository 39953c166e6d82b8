package gpu

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"bench/cuda/fakedriver"
	"bench/cuda/kernels"
	"bench/cuda/simt"
	"bench/datasets"
	"bench/microbench"
)

// mutationWorkload is what mutations run on: a workload, whose case is prepared and
// checked as before it is timed; what else has a check, as run; or a kernel that
// only its own known answers can judge, as host, which says what was wrong.
type mutationWorkload struct {
	w datasets.Workload
	// major is the GPUs' compute capability (0: 9), and gpus how many there are.
	major, gpus int
	run         func(b *Backend) error
	host        func(t *testing.T, h *simt.Host) string
}

func (m mutationWorkload) name() string {
	if m.w == nil {
		return fmt.Sprintf("%p", m.run)
	}
	return fmt.Sprintf("%s on %d.0", m.w.Key(), max(m.major, 8))
}

// check prepares the workload and checks its answer on a machine of its own.
func (m mutationWorkload) check(t *testing.T, truth fakedriver.Truth) (check microbench.Check, err error) {
	t.Helper()
	truth.Major, truth.SMs, truth.Devices, truth.L2Bytes, truth.ExecuteLimit = m.major, 2, max(m.gpus, 1), 64<<10, 1e12
	if truth.Major == 0 {
		truth.Major = 9
	}
	t.Setenv("BENCH_LIBCUBLASLT", "/nonexistent/libcublasLt.so.12")
	t.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
	b, err := New(Options{Library: fakedriver.Driver(t, truth)})
	if err != nil {
		return check, err
	}
	defer b.Close()
	if m.run != nil {
		return check, m.run(b)
	}
	c, err := b.Prepare(m.w)
	if err != nil {
		return check, err
	}
	defer c.Close()
	return c.Check()
}

// mutationWorkloads are small, with ends that are no whole vector, tile or block, on
// few SMs, so that a block has several parts of the work.
func mutationWorkloads() map[string][]mutationWorkload {
	out := map[string][]mutationWorkload{
		"flush":    {{run: (*Backend).flush}},
		"sentinel": {{run: func(b *Backend) error { _, err := b.Sentinel(); return err }}},
		"spin":     {{host: checkSpin}},
	}
	add := func(name string, w datasets.Workload, major int) {
		out[name] = append(out[name], mutationWorkload{w: w, major: major})
	}
	for _, kernel := range []string{"read", "write", "copy", "scale", "triad", "dot"} {
		// More tiles than blocks, and a rest of every size.
		for _, size := range []int64{3 * 600_002, 50_006} {
			add(kernel, datasets.Stream{Kernel: kernel, Type: datasets.BF16, SizeBytes: size, Ranks: 1}, 0)
		}
		add(kernel, datasets.Stream{Kernel: kernel, Type: datasets.FP64, SizeBytes: 50_008, Ranks: 1}, 0)
	}
	for _, d := range []datasets.DType{datasets.FP8, datasets.INT8} {
		add("read "+string(d), datasets.Stream{Kernel: "read", Type: d, SizeBytes: 20_003, Ranks: 1}, 0)
	}
	for _, lines := range []int64{7, 5000} {
		add("latency", datasets.Stream{Kernel: "latency", Type: datasets.I64, SizeBytes: lines * lineBytes, Ranks: 1}, 0)
	}
	for name, p := range map[string]struct {
		major int
		types []datasets.DType
	}{
		"peak mma":      {8, []datasets.DType{datasets.BF16, datasets.FP16, datasets.TF32, datasets.INT8}},
		"peak f64":      {8, []datasets.DType{datasets.FP64}},
		"peak f64 sm90": {9, []datasets.DType{datasets.FP64}},
		"peak vector":   {8, []datasets.DType{datasets.FP32}},
		"peak wgmma":    {9, []datasets.DType{datasets.BF16, datasets.INT8}},
	} {
		for _, d := range p.types {
			k, _ := kernels.PeakFor(string(d), p.major, 0)
			add(name, datasets.GEMM{Kernel: "peak", Type: d, Ops: 34 * 2 * int64(k.BlocksPerSM) * k.FLOPs(), Ranks: 1}, p.major)
		}
	}
	for _, kernel := range []string{"rms_norm", "layer_norm", "softmax", "gelu", "silu_mul", "rope", "add", "embedding"} {
		for _, d := range []datasets.DType{datasets.FP32, datasets.BF16} {
			for _, cols := range []int64{8, 1000, 4096} {
				add(kernel, rowwise(kernel, d, 5, cols), 0)
			}
		}
	}
	attention := datasets.Attention{Type: datasets.BF16, Batch: 3, QueryTokens: 1, ContextTokens: 41, Heads: 2, KVHeads: 2, HeadDim: 64, Ranks: 1, Cache: datasets.Hot}
	add("attention", attention, 0)
	attention.HeadDim, attention.Batch = 40, 1
	add("attention narrow", attention, 0)
	attention.ContextTokens = 300
	add("attention narrow long", attention, 0)
	attention.ContextTokens = 41
	attention.Heads, attention.KVHeads, attention.HeadDim = 24, 2, 64
	add("attention grouped", attention, 0)
	attention.ContextTokens, attention.Batch = 300, 20
	add("attention long", attention, 0)
	attention.Batch, attention.ContextTokens, attention.KVHeads = 1, 700, 1
	add("attention split", attention, 0)
	add("decode", decodeLayer(nil), 0)
	add("decode experts", decodeLayer(func(w *datasets.DecodeLayer) { w.Experts, w.TopK = 5, 2 }), 0)
	for _, rule := range []datasets.RoutingRule{datasets.RouteBalanced, datasets.RouteUniform} {
		w := moeLayer(7, 8, 2, rule)
		add("moe", w, 0)
		w.Gated = false
		add("moe plain", w, 0)
	}
	add("moe many", moeLayer(40, 8, 2, datasets.RouteAllOnOne), 0) // 40 rows an expert, in tiles for 10
	add("moe many", moeLayer(44, 4, 2, datasets.RouteUniform), 0)
	wide := moeLayer(33, 3, 2, datasets.RouteUniform) // more rows than half a tile, more columns than the router's warps take at once
	wide.Hidden = 1024
	add("moe wide", wide, 0)
	out["moe spread"] = []mutationWorkload{{w: spreadLayer(9, 8, 2, datasets.RouteUniform, 2, 1), gpus: 2}}
	return out
}

// checkSpin launches the kernel that holds a stream. It has no answer; it must end
// when it is let go, no earlier, and give up in its time and say so.
func checkSpin(t *testing.T, h *simt.Host) string {
	flag, gave := simt.NewBuffer[uint32](t, h, 1), simt.NewBuffer[uint32](t, h, 1)
	let := (*uint32)(unsafe.Pointer(&flag.Data[0]))
	spin := func(atMost time.Duration) (took time.Duration, err error) {
		gave.Data[0] = 0
		start := time.Now()
		err = h.Launch("bench_spin", simt.Dim3{}, simt.Dim3{}, 0, flag, uint64(atMost), gave)
		return time.Since(start), err
	}
	const limit = 20 * time.Millisecond
	if took, err := spin(limit); err != nil || took < limit || gave.Data[0] != 1 {
		return fmt.Sprintf("held for %v of %v, says %d, %v", took, limit, gave.Data[0], err)
	}
	start := time.Now() // of the timer, which may be earlier than the kernel's
	time.AfterFunc(limit, func() { atomic.StoreUint32(let, 1) })
	_, err := spin(time.Second)
	if took := time.Since(start); err != nil || took < limit || gave.Data[0] != 0 {
		return fmt.Sprintf("let go after %v, it ends after %v, says %d, %v", limit, took, gave.Data[0], err)
	}
	return ""
}
