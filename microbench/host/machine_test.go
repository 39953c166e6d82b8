package host

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

// machineFiles writes a tree of /proc and /sys with the given texts.
func machineFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const cpu0 = "sys/devices/system/cpu/cpu0/"

func TestDescribe(t *testing.T) {
	root := machineFiles(t, map[string]string{
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

func TestOnePerCore(t *testing.T) {
	root := machineFiles(t, map[string]string{
		"sys/devices/system/cpu/cpu0/topology/thread_siblings_list": "0,4\n",
		"sys/devices/system/cpu/cpu1/topology/thread_siblings_list": "1,5\n",
		"sys/devices/system/cpu/cpu5/topology/thread_siblings_list": "1,5\n",
		"sys/devices/system/cpu/cpu4/topology/thread_siblings_list": "0,4\n",
	})
	// CPU 7 has no topology file and stands for itself.
	if got := onePerCore(root, []int{0, 1, 4, 5, 7}); !reflect.DeepEqual(got, []int{0, 1, 7}) {
		t.Errorf("got %v", got)
	}
}

func TestCPUQuota(t *testing.T) {
	for text, want := range map[string]int{"max 100000": 0, "250000 100000": 2, "50000 100000": 1, "": 0, "1 0": 0, "x y": 0} {
		root := machineFiles(t, map[string]string{"sys/fs/cgroup/cpu.max": text})
		if got := cpuQuota(root); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

func TestParseCPUList(t *testing.T) {
	for text, want := range map[string][]int{"0-2,5\n": {0, 1, 2, 5}, "7": {7}, "": nil, "1,x": {1}, "3-": nil} {
		if got := parseCPUList(text); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestAvailableHeedsControlGroup(t *testing.T) {
	files := map[string]string{
		"proc/meminfo":                 "MemAvailable: 1000 kB\n",
		"sys/fs/cgroup/memory.max":     "600000\n",
		"sys/fs/cgroup/memory.current": "100000\n",
	}
	if got := available(machineFiles(t, files)); got != 500000 {
		t.Errorf("got %d, want 500000", got)
	}
	files["sys/fs/cgroup/memory.max"] = "max\n"
	if got := available(machineFiles(t, files)); got != 1000*1024 {
		t.Errorf("got %d, want 1024000", got)
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
	root := machineFiles(t, map[string]string{"proc/meminfo": "MemAvailable: 1000000 kB\n"})
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
