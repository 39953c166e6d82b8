package fakedriver_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/cuda/kernels"
)

// Every kernel that is built in can be loaded on an A100 and an H100 with the
// oldest driver, and what it costs is known here: a kernel without a cost would
// look infinitely fast.
func TestEveryKernelLoadsAndItsCostIsKnown(t *testing.T) {
	for _, major := range []int{8, 9} {
		log := filepath.Join(t.TempDir(), "log")
		c := open(t, fakedriver.Truth{Major: major, Driver: cuda.OldestVersion, Log: log})
		for _, name := range kernels.Names() {
			if _, err := kernels.Load(c, name); err != nil {
				t.Errorf("%d.0: %v", major, err)
			}
		}
		said, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range regexp.MustCompile(`(?m)^uncounted (.*)$`).FindAllStringSubmatch(string(said), -1) {
			t.Errorf("%d.0: what %s moves and computes is not in src/costs.cpp", major, l[1])
		}
	}
}
