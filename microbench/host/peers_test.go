package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"bench/datasets"
)

// BenchmarkPeerAllReduce compares the all-reduce with the MPI library's over
// shared memory, in rounds that alternate between the two, by the median round
// of each. It needs mpicc and mpirun in PATH (Debian: openmpi-bin and
// libopenmpi-dev). A ratio above 1 is ours being faster.
func BenchmarkPeerAllReduce(b *testing.B) {
	mpicc, err := exec.LookPath("mpicc")
	if err != nil {
		b.Skip("no mpicc in PATH: install openmpi-bin and libopenmpi-dev to compare with Open MPI")
	}
	program := filepath.Join(b.TempDir(), "allreduce_mpi")
	if out, err := exec.Command(mpicc, "-O2", "-o", program, "peers/mpi/allreduce.c").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	h, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	if h.Cores() < 2 {
		b.Skip("an all-reduce needs 2 cores")
	}
	sizes := []int64{8, 4 << 10, 64 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}
	const rounds = 5
	times := map[string]map[int64][]float64{"ring": {}, "direct": {}, "mpi": {}}
	for range rounds {
		if err := mpiRound(program, h.Cores(), sizes, times["mpi"]); err != nil {
			b.Fatal(err)
		}
		for _, algorithm := range []string{"ring", "direct"} {
			for _, size := range sizes {
				c, err := h.Prepare(allReduce(algorithm, datasets.FP32, size, h.Cores(), false))
				if err != nil {
					b.Fatal(err)
				}
				once, _ := c.Batch(3)
				n := int64(0.05/(once.Seconds/3)) + 1
				s, _ := c.Batch(n)
				times[algorithm][size] = append(times[algorithm][size], s.Seconds/float64(n))
				c.Close()
			}
		}
	}
	median := func(of string, size int64) float64 {
		slices.Sort(times[of][size])
		return times[of][size][rounds/2]
	}
	for _, size := range sizes {
		mpi, ring, direct := median("mpi", size), median("ring", size), median("direct", size)
		bus := func(s float64) float64 {
			return allReduce("", datasets.FP32, size, h.Cores(), false).WireBytes() / s / 1e9
		}
		b.Logf("%9d B: Open MPI %10.2f us %6.2f GB/s bus; ring %10.2f us %6.2f GB/s, ratio %5.2f; direct %10.2f us %6.2f GB/s, ratio %5.2f",
			size, mpi*1e6, bus(mpi), ring*1e6, bus(ring), mpi/ring, direct*1e6, bus(direct), mpi/direct)
		b.ReportMetric(mpi/direct, fmt.Sprintf("direct/mpi@%d", size))
		b.ReportMetric(mpi/ring, fmt.Sprintf("ring/mpi@%d", size))
	}
}

// mpiRound runs the peer once over all sizes.
func mpiRound(program string, ranks int, sizes []int64, times map[int64][]float64) error {
	args := []string{"-np", strconv.Itoa(ranks), "--bind-to", "core"}
	if os.Getuid() == 0 {
		args = append(args, "--allow-run-as-root")
	}
	args = append(args, program)
	for _, s := range sizes {
		args = append(args, strconv.FormatInt(s, 10))
	}
	out, err := exec.Command("mpirun", args...).Output()
	if err != nil {
		return fmt.Errorf("mpirun %s: %w", strings.Join(args, " "), err)
	}
	for line := range strings.Lines(string(out)) {
		var size int64
		var seconds float64
		if _, err := fmt.Sscan(line, &size, &seconds); err != nil {
			return fmt.Errorf("mpirun printed %q: %w", line, err)
		}
		times[size] = append(times[size], seconds)
	}
	return nil
}
