package kernels_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bench/cuda/kernels"
)

var version = regexp.MustCompile(`(?m)^\.version (\S+)$`)

var include = regexp.MustCompile(`(?m)^#include "([a-z0-9_]*\.cuh)"`)

// sources adds a file and the headers that it includes to texts.
func sources(t *testing.T, name string, texts map[string]string) {
	if _, ok := texts[name]; ok {
		return
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	texts[name] = string(text)
	for _, m := range include.FindAllStringSubmatch(string(text), -1) {
		sources(t, m[1], texts)
	}
}

// The committed PTX is of the sources as they are: no compiler is needed to see
// that it is not.
func TestPTXIsOfItsSources(t *testing.T) {
	files, err := filepath.Glob("*.cu")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var names []string
	for _, f := range files {
		name := strings.TrimSuffix(f, ".cu")
		names = append(names, name)
		texts := map[string]string{}
		sources(t, f, texts)
		sum := sha256.New()
		for _, n := range slices.Sorted(maps.Keys(texts)) {
			sum.Write([]byte(texts[n]))
		}
		for _, c := range []struct {
			major, minor int
			arch, target string
			jit          bool
		}{
			{8, 0, "sm_80", "sm_80", false},
			{8, 6, "sm_80 by JIT", "sm_80", true},
			{8, 9, "sm_80 by JIT", "sm_80", true},
			{9, 0, "sm_90a", "sm_90a", false},
			{10, 0, "sm_80 by JIT", "sm_80", true},
		} {
			ptx, arch, jit := kernels.PTX(name, c.major, c.minor)
			if arch != c.arch || jit != c.jit {
				t.Errorf("%s on %d.%d: %q, %v; want %q, %v", name, c.major, c.minor, arch, jit, c.arch, c.jit)
			}
			if !strings.Contains(string(ptx), fmt.Sprintf("\n// sources sha256 %x\n", sum.Sum(nil))) {
				t.Fatalf("the PTX of %s for %s is not of its sources: run make ptx", f, c.target)
			}
			if !strings.Contains(string(ptx), "\n.target "+c.target) {
				t.Errorf("the PTX of %s for %s has another target", f, c.target)
			}
			// R525, the oldest driver that bench supports, is CUDA 12.0's, which takes PTX ISA 8.0 and no
			// newer (PTX ISA, "Release Notes", table of versions and drivers).
			if v := version.FindSubmatch(ptx); v == nil || string(v[1]) != "8.0" {
				t.Errorf("the PTX of %s for %s is of version %q, want 8.0", f, c.target, v)
			}
		}
	}
	if got := kernels.Names(); !slices.Equal(got, names) {
		t.Errorf("PTX of %v, sources %v", got, names)
	}
	if ptx, _, _ := kernels.PTX("fill", 7, 5); ptx != nil {
		t.Error("there is no PTX for compute capability 7.5")
	}
	if ptx, _, _ := kernels.PTX("none", 9, 0); ptx != nil {
		t.Error("there is no file of kernels named none")
	}
}
