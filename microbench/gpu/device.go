package gpu

import (
	"errors"
	"fmt"
	"strings"

	"bench/cuda"
	"bench/cuda/cublaslt"
	"bench/cuda/kernels"
	"bench/datasets"
	"bench/datasets/catalog"
)

// gpu is one GPU with what is open on it.
type gpu struct {
	device *cuda.Device
	// ctx and stream are nil before open.
	ctx       *cuda.Context
	stream    *cuda.Stream
	modules   map[string]*cuda.Module
	functions map[[2]string]*cuda.Function
	hold      *hold
	// products is cuBLASLt, nil before its first use.
	products *cublaslt.Handle
}

func (g *gpu) open() error {
	if g.ctx != nil {
		return nil
	}
	ctx, err := g.device.Open()
	if err != nil {
		return err
	}
	stream, err := ctx.NewStream()
	if err != nil {
		ctx.Close()
		return err
	}
	g.ctx, g.stream = ctx, stream
	g.modules, g.functions = map[string]*cuda.Module{}, map[[2]string]*cuda.Function{}
	return nil
}

func (g *gpu) close() error {
	if g.ctx == nil {
		return nil
	}
	var errs []error
	if g.products != nil {
		errs = append(errs, g.products.Close())
	}
	errs = append(errs, g.ctx.Close()) // and with it all that is in the context
	g.ctx, g.stream, g.hold, g.products = nil, nil, nil, nil
	return errors.Join(errs...)
}

// function is a kernel on this GPU, loaded once.
func (g *gpu) function(kernelFile, name string) (*cuda.Function, error) {
	key := [2]string{kernelFile, name}
	if f := g.functions[key]; f != nil {
		return f, nil
	}
	m := g.modules[kernelFile]
	if m == nil {
		var err error
		if m, err = kernels.Load(g.ctx, kernelFile); err != nil {
			return nil, err
		}
		g.modules[kernelFile] = m
	}
	f, err := m.Function(name)
	if err != nil {
		return nil, err
	}
	g.functions[key] = f
	return f, nil
}

// String names the GPU as a fault does.
func (g *gpu) String() string {
	return fmt.Sprintf("cuda:%d (%s, %s, PCI %s)", g.device.Index, g.device.Name, g.device.UUID, g.device.PCI)
}

// describe is the catalogue's device for a GPU's name, with what the driver
// reports in the place of what is published. It is one of n in the run.
func describe(g *gpu, n int) datasets.Device {
	d := g.device
	name := strings.TrimSuffix(d.Name, simulated)
	dev := datasets.Device{ID: slug(name), Vendor: "NVIDIA", PeakFLOPs: map[datasets.DType]datasets.Figure{}}
	if id, ok := catalog.Match(name); ok {
		if entry, err := catalog.Lookup(id); err == nil {
			dev = entry
		}
	} else {
		// Not in the catalogue: no peak is known, and every type of the
		// architecture can still be measured.
		for _, t := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.TF32, datasets.BF16, datasets.FP16, datasets.INT8} {
			dev.PeakFLOPs[t] = datasets.Figure{}
		}
		if dev.Arch = arch(d); dev.Has(datasets.MMAFP8) {
			dev.PeakFLOPs[datasets.FP8] = datasets.Figure{}
		}
	}
	reported := func(v float64, what string) datasets.Figure {
		return datasets.Figure{Value: v, Origin: datasets.Measured, Source: "the driver's " + what}
	}
	dev.Name, dev.Kind, dev.Arch = d.Name, "gpu", arch(d)
	dev.Units = d.SMs
	dev.MemoryBytes = reported(float64(d.MemoryBytes), "cuDeviceTotalMem")
	if d.ClockHz > 0 {
		dev.ClockHz = clock(dev.ClockHz, reported(d.ClockHz, "CU_DEVICE_ATTRIBUTE_CLOCK_RATE"))
	}
	l2 := datasets.CacheLevel{Level: 2, SizeBytes: reported(float64(d.L2Bytes), "CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE"), LineBytes: 128, SharedBy: d.SMs}
	caches := []datasets.CacheLevel{l2}
	for _, c := range dev.Caches {
		if c.Level != 2 {
			caches = append(caches, c)
		}
	}
	dev.Caches = caches
	dev.NodeSize = n
	return dev
}

// clock keeps the published clock, at which the published peaks hold, and takes
// the driver's where none is published.
func clock(published, reported datasets.Figure) datasets.Figure {
	if published.Value > 0 {
		return published
	}
	return reported
}

// arch is the architecture as the catalogue writes it.
func arch(d *cuda.Device) string { return fmt.Sprintf("sm_%d%d", d.Major, d.Minor) }

// slug makes a catalogue-like name of what the driver calls the GPU:
// "NVIDIA L40S" is "l40s".
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if len(words) > 1 && words[0] == "nvidia" {
		words = words[1:]
	}
	if len(words) == 0 {
		return "gpu"
	}
	return strings.Join(words, "-")
}
