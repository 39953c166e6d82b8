package predict

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bench/datasets"
)

func rowsOf(kernel string, rows, cols int64) datasets.Stream {
	s := datasets.Stream{Kernel: kernel, Type: datasets.FP16, Rows: rows, Cols: cols, Ranks: 1}
	reads, writes := s.Arrays()
	s.SizeBytes = int64(reads+writes) * rows * cols * 2
	return s
}

// By hand, on an H100 (132 SMs at 1.83 GHz, 3.35 TB/s, 50 MB of L2): adding 4096 ×
// 4096 numbers moves 100.7 MB, 25 % of it from the cache at 1.6 times the speed:
// at 0.9 of the bandwidth 33.39 × (0.75 + 0.25/1.6) = 30.2 µs (26.2 of 100.7 MB is
// 26.04 %: 30.1). (Measured: 31.) A gated SiLU over 1024 × 11008 at 0.65 cycles
// an element is 11.27 M × 0.65 / (132 × 1.83 GHz) = 30.3 µs of work. (Measured: 37
// in all.)
func TestRowwiseByHand(t *testing.T) {
	d := gpu(t, "h100-sxm")
	v := startOf(rowwise)
	v[rowMemory], v[rowCache], v[rowSiLU] = 0.9, 1.6, 0.65
	p := predictRowwise(d, v, rowsOf("add", 4096, 4096))
	if got := term(p, "memory"); math.Abs(got-30.1e-6) > 0.2e-6 || p.Binds != "memory" || term(p, "compute") != 0 {
		t.Errorf("an addition: memory %g s, want 30.1 µs, and it binds: %+v", got, p)
	}
	p = predictRowwise(d, v, rowsOf("silu_mul", 1024, 11008))
	if got := term(p, "compute"); math.Abs(got-30.3e-6) > 0.1e-6 || p.Binds != "compute" {
		t.Errorf("a gated SiLU: compute %g s, want 30.3 µs, and it binds: %+v", got, p)
	}
}

func TestRowwiseOperatorsGrowAndAddUp(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	d := gpu(t, "a100-sxm")
	kernels := []string{"rms_norm", "rope", "silu_mul", "add", "embedding", "layer_norm", "gelu", "softmax"}
	for range 20000 {
		s := rowsOf(kernels[r.IntN(len(kernels))], 1+r.Int64N(1<<(1+r.IntN(17))), 1+r.Int64N(1<<15))
		m := modelOf(s)
		v := plausible(m, r)
		p := m.Predict(d, v, s)
		// A cache cannot help by more than its size.
		roof := max(0, s.Bytes()-d.LastLevel().SizeBytes.Value) / d.MemoryBandwidth.Value
		if p.Seconds < roof {
			t.Fatalf("%s takes %g s, below its roofline's %g: %+v", s.Key(), p.Seconds, roof, p.Terms)
		}
		side, sum := 0.0, 0.0
		for _, part := range p.Terms {
			switch part.Name {
			case "memory":
			case "row_latency", "compute", "host":
				side += part.Seconds
			default:
				sum += part.Seconds
			}
		}
		if sum += max(side, term(p, "memory")); math.Abs(sum/p.Seconds-1) > 1e-9 || p.Binds == "" {
			t.Fatalf("%s: terms give %g s of %g: %+v", s.Key(), sum, p.Seconds, p)
		}
		more := rowsOf(s.Kernel, 2*s.Rows, s.Cols)
		if q := m.Predict(d, v, more); q.Seconds < p.Seconds {
			t.Fatalf("%s takes %g s, and twice the rows %g s", s.Key(), p.Seconds, q.Seconds)
		}
	}
	if got := rowwiseDeclines(&datasets.Device{ID: "host", Kind: "cpu"}, rowsOf("add", 1, 1)); !strings.Contains(got, "CPU") {
		t.Errorf("a CPU: %q", got)
	}
	if modelOf(datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: 8, Ranks: 1}) != nil {
		t.Error("triad has a row-wise model")
	}
}

// By hand: 64 MiB from one H100 to another at 0.8 of 450 GB/s are 186.4 µs, and
// latencies. (Measured: 193 µs.)
func TestSendRecvByHand(t *testing.T) {
	d := gpu(t, "h100-sxm")
	v := startOf(sendRecv)
	v[sendRate] = 0.8
	p := predictSendRecv(d, v, datasets.Collective{Kind: "send_recv", Type: datasets.FP16, SizeBytes: 64 << 20, Ranks: 2, Nodes: 1})
	if got := term(p, "communication"); math.Abs(got-186.4e-6) > 0.1e-6 || p.Binds != "communication" {
		t.Errorf("%g s, want 186.4 µs: %+v", got, p)
	}
}
