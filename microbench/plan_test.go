package microbench

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

func host(units int) datasets.Device {
	d := newFake(0).Device()
	d.ID, d.Units = "host", units
	d.Caches = append([]datasets.CacheLevel{{Level: 1, SizeBytes: datasets.Figure{Value: 32 << 10}}}, d.Caches...)
	return d
}

func TestPlansAreValidAndComplete(t *testing.T) {
	for _, units := range []int{1, 2, 6, 64} {
		for _, profile := range Profiles {
			p, err := NewPlan(host(units), Options{Profile: profile, Seed: 1})
			if err != nil {
				t.Fatalf("%s on %d cores: %v", profile, units, err)
			}
			count := map[datasets.Suite]int{}
			last := -1
			for _, w := range p.Workloads {
				count[w.Suite()]++
				if w.Workers() < 1 || w.Workers() > units {
					t.Errorf("%s on %d cores has %s", profile, units, w.Key())
				}
				if at := slices.Index(datasets.Suites, w.Suite()); at < last {
					t.Errorf("%s comes after a later suite", w.Key())
				} else {
					last = at
				}
			}
			for _, s := range datasets.Suites {
				if count[s] == 0 && !(s == datasets.SuiteAllReduce && units == 1) {
					t.Errorf("%s on %d cores has no case of %s", profile, units, s)
				}
			}
			t.Logf("%-8s on %2d cores: %d cases %v, %v a case, %v in all", profile, units, len(p.Workloads), count, p.CaseBudget(), p.Estimate())
		}
	}
}

// Each level of memory has two elementary points for one worker and for all,
// so that a point can be predicted from the other.
func TestQuickHBMCoversEachLevelTwice(t *testing.T) {
	p, err := NewPlan(host(2), Options{Suites: []datasets.Suite{datasets.SuiteHBM}})
	if err != nil {
		t.Fatal(err)
	}
	for _, ranks := range []int{1, 2} {
		var l1, l2, l3, memory int
		for _, w := range p.Workloads {
			s := w.(datasets.Stream)
			if s.Kernel != "read" || s.Ranks != ranks {
				continue
			}
			switch part := s.SizeBytes / int64(ranks); {
			case part <= 24<<10:
				l1++
			case part <= 512<<10:
				l2++
			case s.SizeBytes <= 8<<20:
				l3++
			case s.SizeBytes >= 96<<20:
				memory++
			}
		}
		if l1 < 2 || l2 < 2 || l3 < 2 || memory < 2 {
			t.Errorf("%d workers: %d points in L1, %d in L2, %d in L3, %d in memory", ranks, l1, l2, l3, memory)
		}
	}
}

// The slowdown of a routing is told against balanced routing at the same batch.
func TestEveryMoECaseHasItsBalancedTwin(t *testing.T) {
	for _, profile := range Profiles {
		p, err := NewPlan(host(2), Options{Profile: profile, Suites: []datasets.Suite{datasets.SuiteMoE}, Seed: 3})
		if err != nil {
			t.Fatal(err)
		}
		have := map[string]bool{}
		for _, w := range p.Workloads {
			have[w.Key()] = true
		}
		for _, w := range p.Workloads {
			m := w.(datasets.MoELayer)
			m.Routing = datasets.Routing{Rule: datasets.RouteBalanced}
			if !have[m.Key()] {
				t.Errorf("%s: %s has no balanced twin", profile, w.Key())
			}
		}
	}
}

func TestOptionsReplaceAxes(t *testing.T) {
	p, err := NewPlan(host(2), Options{Suites: []datasets.Suite{datasets.SuiteAllReduce}, SizesBytes: []int64{4096}, DTypes: []datasets.DType{datasets.FP64}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range p.Workloads {
		got = append(got, w.Key())
	}
	want := []string{"allreduce/all_reduce fp64 bytes=4096 ranks=2 nodes=1 algorithm=ring", "allreduce/all_reduce fp64 bytes=4096 ranks=2 nodes=1 algorithm=direct"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Suites: []datasets.Suite{"gem"}}, `unknown suite "gem": use one of hbm, gemm, allreduce, decode, moe`},
		{Options{Profile: "slow"}, `unknown profile "slow": use one of [quick standard full]`},
		{Options{DTypes: []datasets.DType{datasets.FP8}}, "host has no fp8: use one of fp64, fp32"},
		{Options{Ranks: []int{3}}, "3 ranks do not fit host, which has 2 cores: use 1 to 2"},
		{Options{Suites: []datasets.Suite{datasets.SuiteHBM}, Contexts: []int64{5}}, "--context has no meaning for suite hbm"},
		{Options{Suites: []datasets.Suite{datasets.SuiteAllReduce}, Ranks: []int{1}}, "an all-reduce needs at least 2 ranks, and host has 2 cores"},
		{Options{Batches: []int64{0}}, "--batch is 0, and must be at least 1"},
	} {
		_, err := NewPlan(host(2), c.o)
		if err == nil || err.Error() != c.want || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
}

func TestHashTellsPlansApart(t *testing.T) {
	a, _ := NewPlan(host(2), Options{Seed: 1})
	b, _ := NewPlan(host(2), Options{Seed: 1})
	c, _ := NewPlan(host(2), Options{Seed: 2})
	if a.Hash() != b.Hash() || a.Hash() == c.Hash() {
		t.Errorf("hashes %s %s %s", a.Hash(), b.Hash(), c.Hash())
	}
}

// A node of 8 GPUs is measured over subsets too, with whole elements for every
// rank; one GPU has nothing to reduce with.
func TestCollectivesOfANode(t *testing.T) {
	dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", Units: 132, NodeSize: 8,
		PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.BF16: {Value: 1e15}, datasets.FP16: {Value: 1e15}, datasets.FP32: {Value: 6e13}}}
	seen := map[string]int{}
	p, err := NewPlan(dev, Options{Suites: []datasets.Suite{datasets.SuiteAllReduce}, Profile: Standard})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range p.Workloads {
		c := w.(datasets.Collective)
		seen[c.Kind]++
		seen[c.Launch]++
		if c.InPlace {
			seen["in place"]++
		}
		if c.Ranks != 2 && c.Ranks != 4 && c.Ranks != 8 || c.SizeBytes > 8<<30 || c.SizeBytes%int64(c.Type.Size()) != 0 {
			t.Errorf("a strange workload: %s", c.Key())
		}
	}
	for _, what := range []string{"all_reduce", "all_gather", "reduce_scatter", "all_to_all", "send_recv", "broadcast", "graph", "eager", "in place"} {
		if seen[what] == 0 {
			t.Errorf("no case of %s", what)
		}
	}
	dev.NodeSize = 1
	if _, err := NewPlan(dev, Options{Suites: []datasets.Suite{datasets.SuiteAllReduce}}); err == nil || !strings.Contains(err.Error(), "has 1 GPUs") {
		t.Errorf("one GPU gives %v", err)
	}
}

func TestPeerMatrix(t *testing.T) {
	dev := datasets.Device{ID: "h100-sxm", Kind: "gpu", NodeSize: 4}
	for profile, pairs := range map[Profile]int{Quick: 4, Standard: 12, Full: 12} {
		a := &axes{Options: Options{Profile: profile}, dev: &dev, all: 4}
		keys := map[string]bool{}
		for _, w := range a.peerPairs() {
			if err := w.Validate(); err != nil {
				t.Error(err)
			}
			keys[w.Key()] = true
		}
		if len(keys) != 2*pairs {
			t.Errorf("%s copies between %d pairs: %v", profile, len(keys)/2, keys)
		}
	}
	for _, pair := range []string{"0", "0-0", "a-b", "-1-2", "0-1-2"} {
		if err := (datasets.Stream{Kernel: "peer", Type: datasets.INT8, SizeBytes: 2, Ranks: 2, Pair: pair}).Validate(); err == nil {
			t.Errorf("the pair %q is taken", pair)
		}
	}
}

// What each profile measures on a host of six cores, on one H100 and on a node of
// eight: how many workloads, and a checksum of their sorted keys. A change of plan
// changes a line here; what it adds and drops, `bench run --list` shows.
func TestPlansAreThese(t *testing.T) {
	f := func(v float64) datasets.Figure { return datasets.Figure{Value: v, Origin: datasets.Measured} }
	host := datasets.Device{ID: "host", Kind: "cpu", Units: 6, PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.FP32: f(1e11), datasets.FP64: f(5e10)},
		Caches: []datasets.CacheLevel{{Level: 2, SizeBytes: f(1 << 20), SharedBy: 1}, {Level: 3, SizeBytes: f(48 << 20), SharedBy: 6}}}
	node, err := catalog.Lookup("h100-sxm")
	if err != nil {
		t.Fatal(err)
	}
	one := node
	one.NodeSize = 1
	var got []string
	for _, d := range []datasets.Device{host, one, node} {
		for _, p := range Profiles {
			plan, err := NewPlan(d, Options{Profile: p})
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, w := range plan.Workloads {
				keys = append(keys, w.Key())
			}
			slices.Sort(keys)
			got = append(got, fmt.Sprintf("%s×%d %s: %d %.8x", d.ID, d.NodeSize, p, len(keys), sha256.Sum256([]byte(strings.Join(keys, "\n")))))
		}
	}
	const want = `host×0 quick: 161 385e210977dd9139
host×0 standard: 482 5a1b63b71c8ae440
host×0 full: 1446 91c48f8fbdb6bd64
h100-sxm×1 quick: 141 60323c858d2c2443
h100-sxm×1 standard: 545 0e259d3f3275a7b1
h100-sxm×1 full: 1983 5a2b3b4d2ac9970e
h100-sxm×8 quick: 173 12125a08edb58420
h100-sxm×8 standard: 1254 0a4c60f9059e3f30
h100-sxm×8 full: 3634 b60828fb7315b07e`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the plans are\n%s", text)
	}
}
