package host

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"bench/datasets"
	"bench/microbench"
)

// machineFiles is a machine whose /proc and /sys hold the given texts.
func machineFiles(files map[string]string) fs.FS {
	root := fstest.MapFS{}
	for path, text := range files {
		root[path] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

const cpu0 = "sys/devices/system/cpu/cpu0/"

func TestDescribe(t *testing.T) {
	root := machineFiles(map[string]string{
		"proc/cpuinfo":                        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: A Chip @ 2 GHz\n\nprocessor\t: 1\nmodel name\t: other\n",
		"proc/meminfo":                        "MemTotal:       1000 kB\nMemAvailable:    800 kB\n",
		cpu0 + "cache/index0/type":            "Data\n",
		cpu0 + "cache/index0/level":           "1\n",
		cpu0 + "cache/index0/size":            "48K\n",
		cpu0 + "cache/index1/type":            "Instruction\n",
		cpu0 + "cache/index1/level":           "1\n",
		cpu0 + "cache/index1/size":            "32K\n",
		cpu0 + "cache/index3/type":            "Unified\n",
		cpu0 + "cache/index3/level":           "3\n",
		cpu0 + "cache/index3/size":            "30M\n",
		cpu0 + "cache/index3/shared_cpu_list": "0-7\n",
	})
	d := describe(root, []int{0, 1, 9})
	if d.Name != "A Chip @ 2 GHz" || d.Vendor != "GenuineIntel" || d.Units != 3 || d.MemoryBytes.Value != 1000*1024 {
		t.Errorf("got %+v", d)
	}
	if d.MemoryBandwidth.Value != 0 {
		t.Errorf("a memory bandwidth of %g was made up", d.MemoryBandwidth.Value)
	}
	if len(d.Caches) != 2 || d.Cache(1).SizeBytes.Value != 48*1024 || d.LastLevel().SizeBytes.Value != 30<<20 {
		t.Fatalf("caches %+v", d.Caches)
	}
	// CPUs 0 and 1 of those in use share the last level, 9 does not.
	if got := d.LastLevel().SharedBy; got != 2 {
		t.Errorf("last level shared by %d", got)
	}
}

func TestPrepareRefuses(t *testing.T) {
	b, err := New(Options{CPUs: []int{0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w := datasets.Collective{Kind: "all_reduce", Type: datasets.FP32, SizeBytes: 8, Ranks: 8, Nodes: 1, Algorithm: "ring"}
	_, err = b.Prepare(w)
	var s *microbench.SkipError
	if !errors.As(err, &s) || s.Reason != "allreduce asks for 8 ranks, this machine has 2 cores" {
		t.Errorf("got %v", err)
	}
	w.Ranks = 0
	if _, err = b.Prepare(w); err == nil || errors.As(err, &s) {
		t.Errorf("an invalid shape gave %v", err)
	}
}

func TestFitsNamesTheFigures(t *testing.T) {
	root := machineFiles(map[string]string{"proc/meminfo": "MemAvailable: 1000000 kB\n"})
	b, err := New(Options{CPUs: []int{0}, root: root})
	if err != nil {
		t.Fatal(err)
	}
	w := datasets.GEMM{}
	// 1.024 GB available less 0.54 GB left alone are 0.49 GB.
	if err := b.fits(w, 400e6); err != nil {
		t.Error(err)
	}
	if err := b.fits(w, 500e6); err == nil || !strings.Contains(err.Error(), "0.50 GB of memory and 1.02 GB are available") {
		t.Errorf("got %v", err)
	}
}
