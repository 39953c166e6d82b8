package catalog

import (
	"bytes"
	"encoding/json"
	"runtime/metrics"
	"testing"

	"bench/datasets"
)

// fuzzFile checks that no JSON makes a reader panic or take memory out of
// proportion, and that what is taken can be written and taken again.
func fuzzFile[T interface{ Validate() error }](f *testing.F, what string, seeds ...any) {
	for _, s := range seeds {
		b, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{}`))
	f.Add(bytes.Repeat([]byte(`{"caches":[`), 2000))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v T
		before := allocated()
		err := decode(bytes.NewReader(b), what, &v)
		if err == nil {
			err = v.Validate()
		}
		if used := allocated() - before; used > 64<<20+uint64(len(b))<<10 {
			t.Errorf("%d bytes of file took %d bytes of memory", len(b), used)
		}
		if err != nil {
			return
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var w T
		if err := decode(bytes.NewReader(again), what, &w); err != nil || w.Validate() != nil {
			t.Errorf("%s became %s: %v, %v", b, again, err, w.Validate())
		}
	})
}

func FuzzDeviceFile(f *testing.F) {
	d, err := Lookup("h100-sxm")
	if err != nil {
		f.Fatal(err)
	}
	d.Ceilings = []datasets.Ceiling{{Workload: datasets.Stream{Kernel: "copy", Type: datasets.FP32, SizeBytes: 64, Ranks: 1}, Key: "k", Seconds: 1}}
	fuzzFile[*datasets.Device](f, "device", d)
}

func FuzzModelFile(f *testing.F) {
	m, err := Model("llama-3-70b")
	if err != nil {
		f.Fatal(err)
	}
	fuzzFile[datasets.Model](f, "model", m)
}

func FuzzClusterFile(f *testing.F) { fuzzFile[datasets.Cluster](f, "cluster", datasets.Cluster{}) }

func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
