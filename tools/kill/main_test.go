package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// A few kills; make kill-study takes a thousand.
func TestKilledAtRandomMoments(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of real runs")
	}
	bench := filepath.Join(t.TempDir(), "bench")
	if out, err := exec.Command("go", "build", "-o", bench, "../../cmd/bench").CombinedOutput(); err != nil {
		t.Fatalf("bench does not build: %v\n%s", err, out)
	}
	said, err := study(bench, 6)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(said)
}
