package main

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/microbench"

	"github.com/rogpeppe/go-internal/testscript"
)

// madeRun describes a run that a script has made for it.
type madeRun struct {
	night, seed     int64
	scale, noise    float64
	only, flag      string
	source, machine string
	governor        string
	device, library string
	clock           float64
	samples         int
}

// run-file NAME [name=value …]: writes a run of twelve workloads on a made-up
// machine: times of known medians with a little noise, scaled where asked.
//
//	night=3 scale=1.1 only=m=512 flag=drift source=simulated machine=kernel=7 …
func runFile(ts *testscript.TestScript, neg bool, args []string) {
	m := madeRun{seed: 1, scale: 1, noise: 0.004, source: "measured", machine: "host=testhost; kernel=6.1", governor: "performance",
		device: "host", library: "builtin", clock: 3e9, samples: 60}
	for _, a := range args[1:] {
		k, v, ok := strings.Cut(a, "=")
		if !ok {
			ts.Fatalf("run-file: %q is no name=value", a)
		}
		number := func() float64 {
			f, err := strconv.ParseFloat(v, 64)
			ts.Check(err)
			return f
		}
		switch k {
		case "night":
			m.night = int64(number())
		case "seed":
			m.seed = int64(number())
		case "scale":
			m.scale = number()
		case "noise":
			m.noise = number()
		case "only":
			m.only = v
		case "flag":
			m.flag = v
		case "source":
			m.source = v
		case "machine":
			m.machine = v
		case "governor":
			m.governor = v
		case "device":
			m.device = v
		case "library":
			m.library = v
		case "clock":
			m.clock = number()
		case "samples":
			m.samples = int(number())
		default:
			ts.Fatalf("run-file: unknown %q", k)
		}
	}
	ts.Check(datasets.WriteFile(ts.MkAbs(args[0]), m.run()))
}

func (m *madeRun) run() *datasets.Run {
	start := int64(1767225600) + m.night*86400 // 2026-01-01
	r := &datasets.Run{
		Meta: datasets.Meta{ID: fmt.Sprintf("night-%02d", m.night), Bench: "bench test", Command: []string{"bench", "run"}, Host: "testhost",
			Machine: m.machine, StartUnixS: start, EndUnixS: start + 60},
		Devices: []datasets.Device{{ID: m.device, Name: "Test CPU", Vendor: "Test", Arch: "x86-64", Kind: "cpu", Units: 4,
			PeakFLOPs:       map[datasets.DType]datasets.Figure{datasets.FP32: {Value: 1e12, Origin: datasets.Datasheet, Source: "made up"}},
			MemoryBandwidth: datasets.Figure{Value: 25e9, Origin: datasets.Datasheet, Source: "made up"}}},
	}
	random := rand.New(rand.NewPCG(uint64(m.seed), uint64(m.night)+1))
	for i, size := range []int64{1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26} {
		r.Rows = append(r.Rows, m.row(datasets.Stream{Kernel: "triad", Type: datasets.FP64, SizeBytes: size, Ranks: 1}, float64(size)/(20e9-2e9*float64(i)), random))
	}
	for _, n := range []int64{128, 256, 512, 1024, 2048, 4096} {
		r.Rows = append(r.Rows, m.row(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: n, N: n, K: n, Cache: datasets.Hot, Ranks: 1},
			2*float64(n*n*n)/200e9, random))
	}
	return r
}

func (m *madeRun) row(w datasets.Workload, seconds float64, random *rand.Rand) datasets.Row {
	if m.only == "" || strings.Contains(w.Key(), m.only) {
		seconds *= m.scale
	}
	d := datasets.Measurement{Source: datasets.Source(m.source), Verdict: datasets.OK, Stack: datasets.Stack{Library: m.library, Version: "1"},
		Conditions: datasets.Conditions{ClockHz: m.clock, Governor: m.governor, SentinelRatio: 1}}
	if m.flag != "" {
		d.Verdict, d.Flags, d.Reason = datasets.Flagged, []string{m.flag}, "made so"
	}
	if m.source == "imported" {
		d.TimeS = seconds
		return datasets.Row{Workload: w, DeviceID: m.device, Measurement: d}
	}
	seconds *= 1 + 0.1*m.noise*random.NormFloat64() // between runs
	for range m.samples {
		d.SamplesS = append(d.SamplesS, seconds*(1+m.noise*random.NormFloat64()))
	}
	i := stats.MedianInterval(d.SamplesS, 0.95)
	d.TimeS, d.LowS, d.HighS, d.Confidence = i.Median, i.Low, i.High, i.Confidence
	d.BatchIterations, d.Checked, d.Stop = 1, 100, microbench.StopInterval
	return datasets.Row{Workload: w, DeviceID: m.device, Measurement: d}
}

// A made run must read back as it was meant, or scripts test nothing.
func TestMadeRunsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.parquet")
	m := madeRun{scale: 1, noise: 0.01, source: "measured", device: "host", samples: 10}
	if err := datasets.WriteFile(path, m.run()); err != nil {
		t.Fatal(err)
	}
	run, err := datasets.ReadFile(path)
	if err != nil || len(run.Rows) != 12 || !run.Rows[0].Measurement.Usable() {
		t.Errorf("%d rows, %v", len(run.Rows), err)
	}
}
