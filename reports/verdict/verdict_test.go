package verdict

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// workloads are large ones of every operation that a device can do.
func workloads(d datasets.Device) (out []datasets.Workload) {
	for _, k := range []string{"copy", "scale", "add", "triad", "dot", "copy_engine", "host_to_device", "device_to_host"} {
		out = append(out, datasets.Stream{Kernel: k, Type: datasets.FP64, SizeBytes: 4 << 30, Ranks: 1})
	}
	out = append(out, datasets.Stream{Kernel: "peer", Type: datasets.INT8, SizeBytes: 4 << 30, Ranks: 2},
		datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: 8192, N: 8192, K: 8192, Ranks: 1, Cache: datasets.Hot},
		datasets.ModelPass{Model: "llama 7B Q4_0", Type: datasets.FP16, Format: "q4_0", WeightBytes: 3.8e9, Parameters: 6.7e9, QueryTokens: 1, ContextTokens: 64, Ranks: 1})
	for _, kind := range []string{"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send_recv"} {
		for _, ranks := range []int{2, 4, 8} {
			if ranks <= max(d.NodeSize, 2) && (kind != "send_recv" || ranks == 2) {
				out = append(out, datasets.Collective{Kind: kind, Type: datasets.FP32, SizeBytes: 8 << 30, Ranks: ranks, Nodes: 1})
			}
		}
		if d.NodeSize == 8 && d.NetworkBandwidth.Value > 0 {
			out = append(out, datasets.Collective{Kind: kind, Type: datasets.FP32, SizeBytes: 8 << 30, Ranks: 16, Nodes: 2})
		}
	}
	return out
}

// For every catalogued GPU and operation, the usual time is never called slow, and
// twice that time never as expected; to say nothing is allowed in a tenth of cases.
func TestHalfTheRightFigureIsNeverAsExpected(t *testing.T) {
	cases, cant := 0, 0
	for _, d := range catalog.Devices() {
		for _, w := range workloads(d) {
			e, why := Expect(&d, w)
			if why != "" {
				continue // no figure of the kind is known of this device
			}
			judge := func(seconds float64) Word {
				c := Checker{Options: Options{Device: &d}}
				if systems := catalog.SystemsOf(d.ID); len(systems) > 0 {
					c.System = &systems[0]
					if s, ok := w.(datasets.Collective); ok && s.Nodes > 1 {
						dev := d
						systems[0].Apply(&dev)
						e, _ = Expect(&dev, w)
					}
				}
				c.Add(&datasets.Row{Workload: w, DeviceID: d.ID, Measurement: datasets.Measurement{Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: seconds}}, &d)
				return c.Result().Verdict
			}
			judge(1) // settles e for the system
			cases++
			right, half := judge(e.TypicalS), judge(2*e.TypicalS)
			if right != AsExpected {
				t.Errorf("%s %s at its usual time: %s", d.ID, w.Key(), right)
			}
			switch half {
			case AsExpected:
				t.Errorf("%s %s at half of its usual rate: as expected", d.ID, w.Key())
			case CantSay:
				cant++
			}
		}
	}
	if cases < 800 || float64(cant) > 0.1*float64(cases) {
		t.Errorf("%d cases, of which nothing is said in %d", cases, cant)
	}
	t.Logf("%d cases, can't say in %d at half the figure", cases, cant)
}

// Every line of the table is in order, with its source.
func TestUsual(t *testing.T) {
	for name, s := range usual {
		if !(s.low < s.typical && s.typical < s.high && s.floor < s.low) || s.source == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestJudge(t *testing.T) {
	e := Expected{LowS: 1, TypicalS: 1.5, HighS: 2, FloorS: 3}
	for _, c := range []struct {
		m      datasets.Measurement
		word   Word
		faster bool
	}{
		{datasets.Measurement{TimeS: 1.5}, AsExpected, false},
		{datasets.Measurement{TimeS: 0.9}, AsExpected, true},
		{datasets.Measurement{TimeS: 2.5}, CantSay, false},
		{datasets.Measurement{TimeS: 3.5}, Slow, false},
		{datasets.Measurement{TimeS: 3.5, LowS: 1.9, Source: datasets.SourceMeasured}, AsExpected, false},
		{datasets.Measurement{TimeS: 1.5, Wrong: 1}, Broken, false},
		{datasets.Measurement{TimeS: math.NaN()}, CantSay, false},
	} {
		if word, faster := Judge(&c.m, e); word != c.word || faster != c.faster {
			t.Errorf("%+v: %s, %v", c.m, word, faster)
		}
	}
	// One of 20 lies beyond its range by chance, three of 20 do not.
	for _, c := range []struct {
		above, n int
		want     bool
	}{{0, 5, false}, {1, 1, true}, {1, 20, false}, {3, 20, false}, {5, 20, true}} {
		if Excess(c.above, c.n) != c.want {
			t.Errorf("%d of %d: %v", c.above, c.n, !c.want)
		}
	}
}

// A GPU that is slower than the others of its matrix is named.
func TestTheOddOneIsNamed(t *testing.T) {
	d, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	c := Checker{}
	for i := range 8 {
		rate := 53e9
		if i == 5 {
			rate = 30e9
		}
		c.Add(&datasets.Row{Workload: datasets.Stream{Kernel: "host_to_device", Type: datasets.INT8, SizeBytes: 1 << 29, Ranks: 1}, DeviceID: d.ID, DeviceUUID: "GPU " + string(rune('0'+i)),
			Measurement: datasets.Measurement{Source: datasets.SourceImported, Verdict: datasets.OK, TimeS: (1 << 29) / rate}}, &d)
	}
	var text bytes.Buffer
	r := c.Result()
	if err := r.Text(&text, 80); err != nil {
		t.Fatal(err)
	}
	if r.Verdict != Slow || !strings.Contains(text.String(), "(GPU 5)") || !strings.Contains(text.String(), "43 % below the others") {
		t.Errorf("%s\n%s", r.Verdict, text.String())
	}
}
