package ceilings

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"bench/datasets"
	"bench/datasets/stats"
)

// What leaving a case out is by definition: going through all the others. The
// package looks it up instead, and must come to the same, to the last bit.

// directCosts is costTable without what makes it fast.
func (m *Model) directCosts(op string, ranks int, lastBytes float64, except string) [maxLevels]float64 {
	var c [maxLevels]float64
	points := m.streams[streamID{op, ranks}]
	for l := range c {
		var in []float64
		for _, p := range points {
			if p.key == except {
				continue
			}
			s := m.withLast(p.private, float64(p.bytes), ranks, lastBytes)
			perByte := p.seconds / float64(p.bytes)
			if op == "latency" {
				perByte = p.seconds
			}
			if s[l] >= pure {
				in = append(in, perByte)
			} else if l == maxLevels-1 && s[l] >= 0.5 {
				in = append(in, max(0, perByte-s[0]*c[0]-s[1]*c[1]-s[2]*c[2])/s[l])
			}
		}
		c[l] = stats.Median(in)
	}
	return c
}

// directOthers is views.of.
func (m *Model) directOthers(w datasets.Stream) view {
	key := w.Key()
	v := view{last: m.lastBytes[streamID{w.Kernel, w.Ranks}]}
	if v.last == 0 {
		v.last = m.lastBytes[streamID{"", w.Ranks}]
	}
	if w.Kernel == "latency" {
		v.last = m.directLastCapacity(w.Ranks, "latency", key)
	}
	v.costs = m.directCosts(w.Kernel, w.Ranks, v.last, key)
	v.read = m.directCosts("read", w.Ranks, v.last, key)
	v.write = m.directCosts("write", w.Ranks, v.last, key)
	v.writeNT = m.directCosts("write_nt", w.Ranks, v.last, key)
	return v
}

// directLastCapacity is lastCapacities and latencyCapacities.
func (m *Model) directLastCapacity(ranks int, but, except string) float64 {
	nominal := m.last.SizeBytes.Value
	best, bestLoss := nominal, math.Inf(1)
	for f := 1.0; f >= 0.1; f *= 0.93 {
		var errs []float64
		for id, points := range m.streams {
			if id.ranks != ranks || id.op == "launch" || (id.op == "latency") != (but == "latency") || id.op == but && but != "latency" {
				continue
			}
			c := m.directCosts(id.op, ranks, f*nominal, except)
			for _, p := range points {
				s := m.withLast(p.private, float64(p.bytes), ranks, f*nominal)
				if s[0]+s[1] > 0.2 || p.key == except {
					continue
				}
				t := s[0]*c[0] + s[1]*c[1] + s[2]*c[2] + s[3]*c[3]
				if id.op != "latency" {
					t *= float64(p.bytes)
				}
				if t > 0 {
					errs = append(errs, math.Abs(math.Log(t/p.seconds)))
				}
			}
		}
		// Of many passes, the worst quarter is left to noise.
		slices.Sort(errs)
		sum, n := 0.0, len(errs)
		if but != "latency" {
			n -= n / 4
		}
		for _, e := range errs[:n] {
			sum += e
		}
		if n > 0 && sum/float64(n) < bestLoss {
			best, bestLoss = f*nominal, sum/float64(n)
		}
	}
	return best
}

// directSignals is reduces.latency.
func (m *Model) directSignals(points []point, except string) float64 {
	var in []float64
	for _, p := range points {
		if p.bytes <= small && p.key != except {
			in = append(in, p.seconds)
		}
	}
	return stats.Median(in)
}

// directTransfer is reduces.transfer.
func (m *Model) directTransfer(points []point, of datasets.Collective, except string) float64 {
	var same, all []float64
	latency, private := m.directSignals(points, except), m.inPrivate(of)
	for _, p := range points {
		if p.bytes < 4096 || p.key == except {
			continue
		}
		w := of
		w.SizeBytes = p.bytes
		if t, ok := m.buffers(w); ok {
			perByte := max(0, p.seconds-latency-t) / dirtyBytes(w)
			all = append(all, perByte)
			if m.inPrivate(w) == private {
				same = append(same, perByte)
			}
		}
	}
	if len(same) > 0 {
		return stats.Median(same)
	}
	return stats.Median(all)
}

// directCost is passes.costs.
func (m *gpuModel) directCost(points []point, kernel, except string) (l2, memory float64) {
	var near, far []float64
	for _, p := range points {
		if p.key == except {
			continue
		}
		t := p.seconds
		if kernel != "latency" {
			// A short pass is all launch.
			t = max(t-m.launchOf(datasets.Stream{Kernel: kernel, SizeBytes: p.bytes}), 0) / float64(p.bytes)
		}
		switch h := m.resident(float64(p.bytes)); {
		case t == 0:
		case h >= pure:
			near = append(near, t)
		case h <= 1-pure:
			far = append(far, t)
		}
	}
	return stats.Median(near), stats.Median(far)
}

// directBetween is sizes.between.
func directBetween(points []point, bytes float64, except string) (seconds float64, ok bool) {
	byBytes := map[float64][]float64{}
	for _, p := range points {
		if p.key != except {
			byBytes[float64(p.bytes)] = append(byBytes[float64(p.bytes)], p.seconds)
		}
	}
	if same := byBytes[bytes]; len(same) > 0 {
		return stats.Median(same), true
	}
	var sizes []float64
	for s := range byBytes {
		sizes = append(sizes, s)
	}
	slices.Sort(sizes)
	i, _ := slices.BinarySearch(sizes, bytes)
	if i == 0 || i == len(sizes) {
		return 0, false
	}
	low, high := sizes[i-1], sizes[i]
	a, b := stats.Median(byBytes[low]), stats.Median(byBytes[high])
	return a + (b-a)*(bytes-low)/(high-low), true
}

// realRuns are runs of a CPU that were recorded here.
func realRuns(t *testing.T) []datasets.Device {
	paths, err := filepath.Glob("../../reports/gate/testdata/nights/*.parquet")
	if err != nil || len(paths) < 3 {
		t.Fatal("the recorded runs are missing", err)
	}
	var devices []datasets.Device
	for _, p := range paths[:3] {
		run, err := datasets.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		d := *run.Device(run.Rows[0].DeviceID)
		d.Ceilings = Of(run.Rows, d.ID)
		devices = append(devices, d)
	}
	return devices
}

// noisy are a run of the made-up CPU, 5 % of noise on each case.
func noisy(seed uint64) datasets.Device {
	d := withCeilings()
	rng := rand.New(rand.NewPCG(seed, 1))
	for i := range d.Ceilings {
		d.Ceilings[i].Seconds *= 1 + 0.05*rng.NormFloat64()
	}
	for _, size := range []int64{64, 512, 1024, 4 * kib, 16 * kib, 64 * kib, 1 * mib, 4 * mib} {
		for _, algorithm := range []string{"ring", "direct"} {
			w := datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: size, Ranks: 2, Nodes: 1, Algorithm: algorithm}
			d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: 1e-6 * (1 + rng.Float64()) * (1 + float64(size)/4096)})
		}
	}
	return d
}

func TestViewsAreDirectOnes(t *testing.T) {
	devices := realRuns(t)
	for seed := range uint64(5) {
		devices = append(devices, noisy(seed))
	}
	streams, rings := 0, 0
	for _, d := range devices {
		m := New(d)
		collectives := map[reduceID][]point{}
		for _, c := range d.Ceilings {
			if w, ok := c.Workload.(datasets.Collective); ok {
				id := reduceID{w.Kind, w.Algorithm, w.Type, w.Ranks, w.InPlace}
				collectives[id] = append(collectives[id], point{bytes: w.SizeBytes, seconds: c.Seconds, key: c.Key})
			}
		}
		for _, c := range d.Ceilings {
			switch w := c.Workload.(type) {
			case datasets.Stream:
				if w.Kernel == "launch" {
					continue
				}
				streams++
				if want := m.directOthers(w); m.own[c.Key] != want {
					t.Errorf("%s: looked up %v, gone through %v", c.Key, m.own[c.Key], want)
				}
				if got, want := m.lastBytes[streamID{w.Kernel, w.Ranks}], m.directLastCapacity(w.Ranks, w.Kernel, ""); got != want {
					t.Errorf("%s: last level of %v, gone through %v", c.Key, got, want)
				}
			case datasets.Collective:
				if w.Algorithm != "ring" {
					continue
				}
				rings++
				id := reduceID{w.Kind, w.Algorithm, w.Type, w.Ranks, w.InPlace}
				r := m.reduces[id]
				latency := r.latency(c.Key)
				if want := m.directSignals(collectives[id], c.Key); latency != want {
					t.Errorf("%s: latency %v, gone through %v", c.Key, latency, want)
				}
				if got, want := r.transfer(c.Key, latency, m.inPrivate(w)), m.directTransfer(collectives[id], w, c.Key); got != want {
					t.Errorf("%s: transfer %v, gone through %v", c.Key, got, want)
				}
			}
		}
	}
	if streams < 100 || rings < 30 {
		t.Errorf("%d streams and %d rings are too few to tell", streams, rings)
	}
}

// GPU: passes and lines between sizes, on random points, with times and sizes
// that occur twice.
func TestGPUTablesAreDirectOnes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := &gpuModel{l2: 50 * mib, launch: 2e-6}
	for range 300 {
		var points []point
		for i := range rng.IntN(12) {
			points = append(points, point{bytes: int64(1+rng.IntN(8)) << (20 + rng.IntN(4)), seconds: float64(1+rng.IntN(6)) * 1e-6, key: fmt.Sprint(i)})
		}
		for except := range 13 {
			key := fmt.Sprint(except)
			for _, kernel := range []string{"read", "latency"} {
				l2, memory := m.newPasses(kernel, points).costs(key)
				if wantL2, want := m.directCost(points, kernel, key); l2 != wantL2 || memory != want {
					t.Fatalf("%v without %s: %v %v, gone through %v %v", points, key, l2, memory, wantL2, want)
				}
			}
			bytes := float64(int64(1+rng.IntN(8)) << (20 + rng.IntN(4)))
			got, ok := newSizes(points).between(bytes, key)
			if want, wantOK := directBetween(points, bytes, key); got != want || ok != wantOK {
				t.Fatalf("%v at %v without %s: %v %v, gone through %v %v", points, bytes, key, got, ok, want, wantOK)
			}
		}
	}
}

// BenchmarkManyCeilings is a run of 250,000 passes and 20,000 all-reduces, each
// predicted from all the others.
func BenchmarkManyCeilings(b *testing.B) {
	d := machine()
	add := func(w datasets.Workload, seconds float64) {
		d.Ceilings = append(d.Ceilings, datasets.Ceiling{Workload: w, Key: w.Key(), Seconds: seconds})
	}
	bare := New(d)
	rng := rand.New(rand.NewPCG(1, 2))
	ops := []string{"read", "write", "write_nt", "latency"}
	for i := range 250_000 {
		s := datasets.Stream{Kernel: ops[i%4], Type: datasets.FP64, SizeBytes: int64(16*kib + 1056*(i/4)), Ranks: 1}
		add(s, truth(bare, s)*(1+0.05*rng.Float64()))
	}
	for i := range 20_000 {
		add(datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: int64(256 * (1 + i)), Ranks: 1, Nodes: 1, Algorithm: "ring"},
			1e-6*(1+rng.Float64()))
	}
	for b.Loop() {
		m := New(d)
		for _, c := range d.Ceilings {
			m.Predict(c.Workload)
		}
	}
}
