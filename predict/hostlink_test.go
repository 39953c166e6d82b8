package predict

import (
	"math"
	"testing"

	"bench/datasets"
)

// A copy between host and device is bound by the link between them: 512 MiB
// over 64 GB/s take 536870912/64e9 = 8.389 ms, and not the 0.16 ms of HBM.
func TestRooflineHostLink(t *testing.T) {
	d := datasets.Device{ID: "x", MemoryBandwidth: datasets.Figure{Value: 3.35e12}, PCIeBandwidth: datasets.Figure{Value: 64e9}}
	for _, kernel := range []string{"host_to_device", "device_to_host"} {
		w := datasets.Stream{Kernel: kernel, Type: datasets.INT8, SizeBytes: 512 << 20, Ranks: 1}
		p := roofline(&d, w)
		if math.Abs(p.Seconds-8.388608e-3) > 1e-9 || p.Binds != "host_link" {
			t.Errorf("%s: %+v", kernel, p)
		}
	}
	d.PCIeBandwidth.Value = 0
	if p := roofline(&d, datasets.Stream{Kernel: "host_to_device", Type: datasets.INT8, SizeBytes: 1, Ranks: 1}); p.NotPredicted == "" || p.Seconds != 0 {
		t.Errorf("without a host link: %+v", p)
	}
}
