package gpu

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"bench/datasets"
)

// decodeFP16 is IEEE 754's binary16, for normal numbers and zero.
func decodeFP16(b uint16) float64 {
	if b&0x7fff == 0 {
		return 0
	}
	return math.Ldexp(1+float64(b&0x3ff)/1024, int(b>>10&31)-15)
}

func TestSmallNumbersAreExactInEveryType(t *testing.T) {
	for v := range 256 {
		le := binary.LittleEndian
		for _, c := range []struct {
			t    datasets.DType
			read func([]byte) float64
		}{
			{datasets.FP64, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }},
			{datasets.FP32, func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }},
			{datasets.BF16, func(b []byte) float64 { return float64(math.Float32frombits(uint32(le.Uint16(b)) << 16)) }},
			{datasets.FP16, func(b []byte) float64 { return decodeFP16(le.Uint16(b)) }},
			{datasets.INT8, func(b []byte) float64 { return float64(b[0]) }},
		} {
			if b := encode(nil, c.t, v); len(b) != int(c.t.Size()) || c.read(b) != float64(v) {
				t.Fatalf("%d in %s is % x", v, c.t, b)
			}
		}
	}
}

func TestSumsOfAllRanksStayExact(t *testing.T) {
	for _, ranks := range []int{2, 3, 8, 16, 72, 127} {
		for dtype, most := range map[datasets.DType]int{datasets.BF16: 255, datasets.INT8: 127} {
			for i := int64(0); i < 3000; i++ {
				sum := 0
				for r := range ranks {
					sum += number(dtype, ranks, r, i)
				}
				if sum > most {
					t.Fatalf("%s of %d ranks: element %d sums to %d", dtype, ranks, i, sum)
				}
			}
		}
	}
}

// Hand-made: two ranks, four elements each. Rank 0's operand begins 0 7 6 5 (i·7
// mod 8), rank 1's is 5 more mod 8: 5 4 3 2.
func TestExpectedResults(t *testing.T) {
	for _, c := range []struct {
		kind string
		rank int
		want []int
	}{
		{"all_reduce", 1, []int{5, 11, 9, 7}},
		{"all_gather", 0, []int{0, 7, 5, 4}},
		{"reduce_scatter", 1, []int{9, 7}},
		{"broadcast", 1, []int{0, 7, 6, 5}},
		{"all_to_all", 1, []int{6, 5, 3, 2}},
		{"send_recv", 0, []int{5, 4, 3, 2}},
	} {
		w := &collective{w: datasets.Collective{Kind: c.kind, Type: datasets.BF16, SizeBytes: 8, Ranks: 2, Nodes: 1}, chunk: 2}
		for i, want := range c.want {
			if got := w.expected(c.rank, int64(i)); got != want {
				t.Errorf("%s: element %d of rank %d is %d, want %d", c.kind, i, c.rank, got, want)
			}
		}
	}
}

func TestWindowsHoldBothEnds(t *testing.T) {
	for _, size := range []int64{8, wholeBytes, wholeBytes + 8, 8 << 30} {
		w := windows(size, 4)
		last := w[len(w)-1]
		if w[0][0] != 0 || last[0]+last[1] != size {
			t.Errorf("%d bytes are looked at from %d to %d", size, w[0][0], last[0]+last[1])
		}
		for _, x := range w {
			if x[0]%4 != 0 || x[1]%4 != 0 {
				t.Errorf("a window of %d bytes is %v", size, x)
			}
		}
	}
}

func TestCollectivesThatAreRefused(t *testing.T) {
	b := &Backend{gpus: make([]*gpu, 8)}
	good := datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: 1 << 20, Ranks: 8, Nodes: 1, Launch: "graph"}
	if err := b.refuseCollective(good); err != nil {
		t.Errorf("a plain all-reduce is refused: %v", err)
	}
	for want, change := range map[string]func(*datasets.Collective){
		"no collective of tf32":    func(c *datasets.Collective) { c.Type = datasets.TF32 },
		"chooses its algorithm":    func(c *datasets.Collective) { c.Algorithm = "ring" },
		"no launch mode":           func(c *datasets.Collective) { c.Launch = "x" },
		"no all-reduce of its own": func(c *datasets.Collective) { c.Kind = "custom_all_reduce" },
		"no in-place form":         func(c *datasets.Collective) { c.Kind, c.InPlace = "all_to_all", true },
		"a multiple of 16":         func(c *datasets.Collective) { c.Kind, c.SizeBytes = "all_gather", 8 },
	} {
		w := good
		change(&w)
		if err := b.refuseCollective(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
