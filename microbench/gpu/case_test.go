package gpu

import (
	"math"
	"testing"

	"bench/cuda/fakedriver"
	"bench/datasets"
)

// A kernel takes 1 µs and a launch the host 10 µs: however long the batch, no
// launch may come at the host's pace, held or in a graph. Eager ones do.
func TestALongBatchIsDeviceTime(t *testing.T) {
	b := simulatedBackend(t, fakedriver.Truth{Kernel: 1e-6, HostLaunch: 10e-6})
	c, err := b.Prepare(datasets.Stream{Kernel: "launch", Ranks: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, launch := range []struct {
		how     string
		seconds float64
	}{{"", 1e-6}, {"eager", 10e-6}} {
		c.(*gpuCase).launch = launch.how
		for _, n := range []int64{1, maxHeld, maxHeld + 1, 10 * maxHeld} {
			got, err := c.Batch(n)
			if err != nil {
				t.Fatal(err)
			}
			if each := got.Seconds / float64(n); math.Abs(each/launch.seconds-1) > 0.01 && (launch.how == "" || n > 1) {
				t.Errorf("%d launches %q take %g s each on the device, want %g", n, launch.how, each, launch.seconds)
			}
		}
	}
}
