package gpu

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"bench/cuda"
	"bench/datasets"
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
		p, err := g.ctx.Alloc(sentinelBytes)
		if err != nil {
			return 0, err
		}
		if err := errors.Join(g.stream.Fill8(p, 0, sentinelBytes), b.checkSentinel(f, p)); err != nil {
			return 0, errors.Join(err, g.ctx.Free(p))
		}
		b.sentinel = p
	}
	t, err := b.newCase(work{enqueue: func(s *cuda.Stream, _ int64) error {
		return s.Launch(f, g.everySM(), b.sentinel, int64(sentinelBytes/16))
	}}).Batch(1)
	return t.Seconds, err
}

// sentinelBytes fit the L2 of every GPU that is taken.
const sentinelBytes = 16 << 20

// sentinelChecked vectors are compared: no whole number of blocks.
const sentinelChecked = 301

// checkSentinel compares what comes out of zeros: x = x/2 + c comes to 2c.
func (b *Backend) checkSentinel(f *cuda.Function, p cuda.Ptr) error {
	g := b.gpus[0]
	if err := errors.Join(g.stream.Launch(f, g.everySM(), p, int64(sentinelChecked)), g.wait(answerWithin)); err != nil {
		return err
	}
	x := tensor{t: datasets.FP32, p: p}
	v := &verification{g: g}
	v.compare(v.part(x, 0, 0, 4*sentinelChecked), slices.Repeat([]float64{0.5, 0.25, 0.75, 0.875}, sentinelChecked), 0, 0)
	if v.err == nil && v.check.Wrong > 0 {
		return fmt.Errorf("%d of %d numbers of the sentinel are wrong on %s: is the GPU, or the driver's compilation of the kernels, faulty?", v.check.Wrong, v.check.Checked, g)
	}
	return v.err
}

// Environment names the driver, the GPUs and the form of the kernels that run.
func (b *Backend) Environment() map[string]string {
	d := b.gpus[0].device
	env := map[string]string{
		"libcuda":  "CUDA " + cuda.VersionText(b.driver.Version()) + " at " + b.driver.Path(),
		"kernels":  kernelsText(d.Major, d.Minor),
		"operands": "random",
		// When kernels are loaded; not set is the driver's default, lazy from CUDA 12.2 on.
		"CUDA_MODULE_LOADING": cmp.Or(os.Getenv("CUDA_MODULE_LOADING"), "not set"),
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
