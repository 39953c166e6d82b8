package gpu

import (
	"fmt"
	"maps"

	"bench/cuda"
)

// Sentinel runs a fixed mix of arithmetic in registers and passes over memory on
// every SM. It sees a changed clock and a GPU that is shared.
func (b *Backend) Sentinel() (float64, error) {
	g := b.gpus[0]
	f, err := g.function("sentinel", "bench_sentinel")
	if err != nil {
		return 0, err
	}
	if b.sentinel == 0 {
		if b.sentinel, err = g.ctx.Alloc(sentinelBytes); err != nil {
			return 0, err
		}
		if err := g.stream.Fill8(b.sentinel, 0, sentinelBytes); err != nil {
			return 0, err
		}
	}
	t, err := b.newCase(work{enqueue: func(s *cuda.Stream, _ int64) error {
		return s.Launch(f, g.everySM(), b.sentinel, int64(sentinelBytes/16))
	}}).Batch(1)
	return t.Seconds, err
}

// sentinelBytes fit the L2 of every GPU that is taken.
const sentinelBytes = 16 << 20

// Environment names the driver, the GPUs and the form of the kernels that run.
func (b *Backend) Environment() map[string]string {
	d := b.gpus[0].device
	env := map[string]string{
		"libcuda":  "CUDA " + cuda.VersionText(b.driver.Version()) + " at " + b.driver.Path(),
		"kernels":  kernelsText(d.Major, d.Minor),
		"operands": "random",
	}
	if b.options.Zeros {
		env["operands"] = "zeros"
	}
	maps.Copy(env, libraries())
	for _, g := range b.gpus {
		env[fmt.Sprintf("cuda:%d", g.device.Index)] = fmt.Sprintf("%s, %s, PCI %s", g.device.Name, g.device.UUID, g.device.PCI)
	}
	return env
}
