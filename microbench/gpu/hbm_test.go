package gpu

import (
	"errors"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench"
)

// Every operation of every type gives the right answer at sizes that are no
// whole number of vectors or tiles, on a simulated driver that runs the kernels'
// source.
func TestStreamsAgreeWithReference(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, kernel := range []string{"read", "write", "copy", "scale", "triad", "dot"} {
		for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.TF32, datasets.BF16, datasets.FP16, datasets.FP8, datasets.INT8} {
			if !arithmeticTypes[d] && kernel != "read" && kernel != "write" && kernel != "copy" {
				continue
			}
			for _, size := range []int64{24, 50_002, 300_002} { // the last is more than the L2
				checkAll(t, b, datasets.Stream{Kernel: kernel, Type: d, SizeBytes: size, Ranks: 1})
			}
		}
	}
	for _, kernel := range []string{"copy_engine", "host_to_device", "device_to_host", "latency"} {
		for _, size := range []int64{2, 1000, 300_001} {
			checkAll(t, b, datasets.Stream{Kernel: kernel, Type: datasets.INT8, SizeBytes: size, Ranks: 1})
		}
	}
	checkAll(t, b, datasets.Stream{Kernel: "launch", Ranks: 1})
}

// A wrong answer is found: a pass that leaves out its last element.
func TestStreamChecksFail(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{})
	for _, kernel := range []string{"read", "dot", "write", "copy", "scale", "triad"} {
		got, err := spoilt(t, b, kernel, 5001).check()
		if err != nil || got.Wrong == 0 {
			t.Errorf("%s: %+v, %v: a pass that leaves out an element is right", kernel, got, err)
		}
	}
}

// spoilt is a pass that believes in one element more than its kernel is told of.
func spoilt(t *testing.T, b *Backend, kernel string, n int64) *stream {
	reads, writes := datasets.Stream{Kernel: kernel}.Arrays()
	p := &stream{b: b, w: datasets.Stream{Kernel: kernel, Type: datasets.FP32, Ranks: 1}, element: "f32", n: n, bytes: 4 * n, passes: 1, reads: reads, short: 1}
	m := b.memory()
	t.Cleanup(func() { m.free() })
	for range reads + writes {
		p.arrays = append(p.arrays, m.alloc(p.bytes))
	}
	p.partial = m.alloc(8 << 10)
	if m.err != nil {
		t.Fatal(m.err)
	}
	return p
}

func TestStreamsRefuse(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{Devices: 2})
	for want, w := range map[string]datasets.Stream{
		"measure copy":                {Kernel: "copy_nt", Type: datasets.FP32, SizeBytes: 1024, Ranks: 1},
		"on one GPU, not on 2":        {Kernel: "copy", Type: datasets.FP32, SizeBytes: 1024, Ranks: 2},
		"do not calculate in fp8":     {Kernel: "triad", Type: datasets.FP8, SizeBytes: 1024, Ranks: 1},
		"no kernel for int4":          {Kernel: "read", Type: datasets.INT4, SizeBytes: 1024, Ranks: 1},
		"4 bytes are not an element":  {Kernel: "copy", Type: datasets.FP32, SizeBytes: 4, Ranks: 1},
		"GB of GPU memory are needed": {Kernel: "read", Type: datasets.FP32, SizeBytes: 1 << 45, Ranks: 1},
	} {
		_, err := b.Prepare(w)
		var s *microbench.SkipError
		if !errors.As(err, &s) || !strings.Contains(s.Reason, want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

func TestPatternSum(t *testing.T) {
	// Bytes 1 2 3 4 5 6 7 8 1 2.
	if got := patternSum(0x0807060504030201, 10); got != 36+3 {
		t.Errorf("%d, want 39", got)
	}
}
