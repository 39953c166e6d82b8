package microbench

import (
	"context"
	"strings"
	"testing"

	"bench/datasets"
	"bench/probes"
)

// gpuBackend is a fake that knows its GPU.
type gpuBackend struct {
	*fakeBackend
	renewals int
}

func (b *gpuBackend) Device() datasets.Device {
	d := b.fakeBackend.Device()
	d.Kind = "gpu"
	return d
}
func (b *gpuBackend) UUIDs() []string            { return []string{"GPU-1"} }
func (b *gpuBackend) Devices() []datasets.Device { return []datasets.Device{b.Device()} }
func (b *gpuBackend) Simulated() bool            { return true }
func (b *gpuBackend) Where() string              { return "cuda:0 (Fake, GPU-1, PCI 00000000:07:00.0)" }
func (b *gpuBackend) Process() int               { return 0 }
func (b *gpuBackend) Renew()                     { b.renewals++ }

type fixedGPUs probes.GPUTelemetry

func (f fixedGPUs) End() probes.GPUTelemetry { return probes.GPUTelemetry(f) }

// What NVML saw under a case decides its verdict, and its rows carry the GPU.
func TestGPUConditions(t *testing.T) {
	for _, c := range []struct {
		seen     probes.GPUTelemetry
		verdict  datasets.Verdict
		says     string
		renewals int
	}{
		{probes.GPUTelemetry{ClockHz: 1.7e9, PowerWatt: 650, ClockReasons: []string{"power cap"}}, datasets.OK, "", 0},
		{probes.GPUTelemetry{ClockReasons: []string{"hardware thermal slowdown"}}, datasets.Flagged, "held down: hardware thermal slowdown", 0},
		{probes.GPUTelemetry{OtherProcesses: 2}, datasets.Flagged, "2 other processes held the GPU", 0},
		{probes.GPUTelemetry{Xids: []uint64{79}}, datasets.Failed, "the driver reported Xid 79: cuda:0 (Fake, GPU-1, PCI 00000000:07:00.0)", 1},
		{probes.GPUTelemetry{ECCErrors: 3}, datasets.Failed, "3 uncorrected ECC errors occurred", 1},
		{probes.GPUTelemetry{Lost: "GPU-1: lost"}, datasets.Failed, "the GPU was lost: GPU-1: lost", 1},
	} {
		b := &gpuBackend{fakeBackend: newFake(1)}
		loop := b.loop()
		loop.Backend = b
		loop.WatchGPUs = func([]string) (GPUWatch, error) { return fixedGPUs(c.seen), nil }
		p := fakePlan(1)
		p.Time *= 10 // enough to repeat
		rows, _, err := loop.Run(context.Background(), p, nil)
		if err != nil || len(rows) != 1 {
			t.Fatalf("%q: %d rows, %v", c.says, len(rows), err)
		}
		m := rows[0].Measurement
		if m.Verdict != c.verdict || !strings.Contains(m.Reason, c.says) || b.renewals != c.renewals {
			t.Errorf("%q: %s %q, %d fresh processes", c.says, m.Verdict, m.Reason, b.renewals)
		}
		if m.Conditions.Retries > MaxRetries || c.verdict == datasets.Flagged && m.Conditions.Retries != MaxRetries {
			t.Errorf("%q: repeated %d times", c.says, m.Conditions.Retries)
		}
		if rows[0].DeviceUUID != "GPU-1" || m.Source != datasets.SourceSimulated || m.Conditions.PowerWatt != c.seen.PowerWatt || m.Conditions.ClockHz != c.seen.ClockHz {
			t.Errorf("%q: %+v", c.says, rows[0])
		}
	}
}
