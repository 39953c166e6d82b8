package gpu

import (
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/datasets"
	"bench/microbench"
)

// spreadLayer is a MoE layer over several GPUs.
func spreadLayer(tokens, experts, topK int64, rule datasets.RoutingRule, ep, tp int) datasets.MoELayer {
	w := moeLayer(tokens, experts, topK, rule)
	w.Intermediate, w.EP, w.TP, w.Ranks, w.Cache = 64, ep, tp, ep*tp, datasets.Cold
	if rule == datasets.RouteZipf {
		w.Routing.Exponent = 1.5
	}
	return w
}

// Even and uneven loads, ranks to which no token goes and ranks on which none
// starts, tokens that do not divide, and both kinds of parallelism together: after
// the check, batches, and the check again.
func TestExpertParallelLayersAgreeWithReference(t *testing.T) {
	b := simulatedNode(t, 4)
	for name, w := range map[string]datasets.MoELayer{
		"balanced":             spreadLayer(8, 8, 2, datasets.RouteBalanced, 2, 1),
		"drawn":                spreadLayer(21, 8, 3, datasets.RouteUniform, 4, 1),
		"zipf":                 spreadLayer(18, 8, 2, datasets.RouteZipf, 4, 1),
		"half on one":          spreadLayer(17, 8, 1, datasets.RouteOneHot, 2, 1),
		"all on one rank":      spreadLayer(9, 8, 2, datasets.RouteAllOnOne, 4, 1),
		"ranks without tokens": spreadLayer(3, 8, 2, datasets.RouteUniform, 4, 1),
		"one token":            spreadLayer(1, 8, 8, datasets.RouteBalanced, 4, 1),
		"split experts":        spreadLayer(7, 8, 2, datasets.RouteUniform, 1, 4),
		"shared out and split": spreadLayer(11, 8, 2, datasets.RouteUniform, 2, 2),
		"one token, both":      spreadLayer(1, 4, 2, datasets.RouteBalanced, 2, 2),
		"more than a tile, hot": func() datasets.MoELayer {
			w := spreadLayer(90, 4, 2, datasets.RouteUniform, 2, 1)
			w.Cache = datasets.Hot
			return w
		}(),
		"two matrices, and fp16": func() datasets.MoELayer {
			w := spreadLayer(13, 8, 2, datasets.RouteUniform, 2, 1)
			w.Gated, w.Type = false, datasets.FP16
			return w
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := b.Prepare(w)
			if err != nil {
				t.Fatal(err)
			}
			checked := int64(0)
			for range 2 {
				got, err := c.Check()
				if err != nil || got.Wrong != 0 || got.MaxRelError > got.Bound {
					t.Fatalf("%+v, %v", got, err)
				}
				checked = got.Checked
			}
			if checked < w.Tokens*w.TopK {
				t.Errorf("only %d comparisons", checked)
			}
			// Dispatch and return, 5 µs each; an all-reduce alone where experts are split.
			least := 2 * 5e-6
			if w.EP == 1 {
				least = 5e-6
			}
			if got, err := c.Batch(20); err != nil || got.Seconds < 20*least {
				t.Errorf("20 iterations took %g s, %v", got.Seconds, err)
			}
			if got, err := c.Check(); err != nil || got.Wrong != 0 {
				t.Errorf("after a batch: %+v, %v", got, err)
			}
			if name, _ := c.Implementation(); !strings.Contains(name, "NCCL") || !strings.Contains(name, "grouped") {
				t.Error(name)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// By hand: six tokens to experts 0 and 1 of 8 on four ranks of two: twelve pairs on
// rank 0, three a rank in the mean. On two ranks with 2-way split experts: 12 and 6.
func TestExpertParallelLoads(t *testing.T) {
	b := simulatedNode(t, 4)
	for _, c := range []struct {
		ep, tp    int
		max, mean float64
	}{{4, 1, 12, 3}, {2, 2, 12, 6}, {1, 4, 6, 1.5}} {
		w := spreadLayer(6, 8, 2, datasets.RouteAllOnOne, c.ep, c.tp)
		w.Cache = datasets.Hot
		got, err := b.Prepare(w)
		if err != nil {
			t.Fatal(err)
		}
		active, maxLoad, meanLoad := got.(microbench.RoutedCase).Loads()
		if active != 2 || maxLoad != c.max || meanLoad != c.mean {
			t.Errorf("%+v: %d active, max %g, mean %g", c, active, maxLoad, meanLoad)
		}
		got.Close()
	}
}

// By hand: 5 tokens on 2 groups are 2 and 3. Balanced top-2 of 4 sends token t to
// experts 2t and 2t+1 modulo 4: even tokens to group 0, odd ones to group 1.
func TestSpreadCountsRows(t *testing.T) {
	assigned, err := datasets.Routing{Rule: datasets.RouteBalanced}.Assign(5, 4, 2)
	if err != nil {
		t.Fatal(err)
	}
	s := spread{groups: 2, tokens: 5, experts: 4, topK: 2, assigned: assigned}
	for from, want := range [][2]int64{{2, 2}, {4, 2}} {
		for to, n := range want {
			if got := s.rows(from, to); got != n {
				t.Errorf("from %d to %d: %d rows, want %d", from, to, got, n)
			}
		}
	}
}

// Every step left out on one rank must show, and a row that is changed on its way.
// Without the choice, the plan, the scatter or the packed tags the steps after it would
// touch memory that is not theirs.
func TestExpertParallelCheckSeesWhatGoesWrong(t *testing.T) {
	b := simulatedNode(t, 2)
	w := spreadLayer(9, 8, 2, datasets.RouteUniform, 2, 1)
	w.Cache = datasets.Hot
	c, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	team := c.(routedCase).Case.(*team)
	l := team.layers[1]
	whole := l.steps
	left := 0
	for i, name := range l.kernels {
		if whole[i] == nil || name == "bench_moe_choose" || name == "bench_moe_plan" || name == "bench_moe_scatter" || strings.HasPrefix(name, "bench_moe_pack") {
			continue
		}
		l.steps = append(append([]step{}, whole[:i]...), whole[i+1:]...)
		if got, err := team.Check(); err != nil || got.Wrong == 0 {
			t.Errorf("without %s: %+v, %v", name, got, err)
		}
		left++
		l.steps = whole
	}
	if got, err := team.Check(); err != nil || got.Wrong != 0 {
		t.Fatalf("whole again: %+v, %v", got, err)
	}
	if left != 6 { // router, count, two products, the way back's order, combine
		t.Errorf("%d steps were left out of %v", left, l.kernels)
	}
	// The first row that came, in the dispatch and on the way back.
	for i, j := range l.joints {
		m := j.messages[0]
		if err := l.g.ctx.ToDevice(m.to.p, make([]byte, 2*72)); err != nil {
			t.Fatal(err)
		}
		if got, err := team.checkMessages(); err != nil || got.Wrong != 1 {
			t.Errorf("the first row of exchange %d was cleared: %+v, %v", i, got, err)
		}
		if _, err := team.Check(); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be spread is refused by name.
func TestExpertParallelRefuses(t *testing.T) {
	b := simulatedNode(t, 4)
	uneven := spreadLayer(4, 8, 2, datasets.RouteBalanced, 1, 3)
	missing := spreadLayer(4, 8, 2, datasets.RouteBalanced, 2, 1)
	missing.Ranks = 4
	narrow := spreadLayer(4, 8, 2, datasets.RouteBalanced, 1, 4)
	narrow.Intermediate = 16
	many := spreadLayer(4, 8, 2, datasets.RouteBalanced, 8, 1)
	for want, w := range map[string]datasets.MoELayer{
		"cannot be split over 3 GPUs": uneven, "there must be 2": missing, "a GPU's part of an expert is 4": narrow, "8 GPUs, and this run has 4": many,
	} {
		if _, err := b.Prepare(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	t.Setenv("BENCH_LIBNCCL", "/nonexistent/libnccl.so.2")
	b = simulatedBackend(t, fakedriver.Truth{Devices: 2})
	if _, err := b.Prepare(spreadLayer(4, 8, 2, datasets.RouteBalanced, 2, 1)); err == nil || !strings.Contains(err.Error(), "NCCL") {
		t.Error(err)
	}
}
