// Package gpu measures workloads on NVIDIA GPUs through the driver API: batches
// between two events on a stream, which a spinning kernel holds until they are
// enqueued. One file a suite, as in package host.
package gpu

import (
	"errors"
	"fmt"
	"strings"

	"bench/cuda"
	"bench/cuda/cublaslt"
	"bench/datasets"
	"bench/microbench"
	"bench/microbench/launcher"
)

// Options of a backend. The zero value is every GPU by the loader's libcuda.
type Options struct {
	// Library is libcuda's absolute path, "" being the loader's own.
	Library string
	// Devices are the driver's numbers of the GPUs to use, nil being all. Cases
	// of one GPU run on the first.
	Devices []int
	// Zeros fills operands with zeros instead of random numbers, to show what
	// the data do to power and clock.
	Zeros bool
	// Group joins this process's GPU with those of others for collectives, nil
	// where it is alone. The process uses the first of Devices only.
	Group *launcher.Group
}

// Backend is one GPU, or several that one case uses together. It implements
// microbench.Backend, and is for one goroutine.
type Backend struct {
	options Options
	driver  *cuda.Driver
	// gpus are those of Options.Devices, in that order; the first is open from
	// the start, the others when a case needs them.
	gpus []*gpu
	// ctx and stream are the first GPU's.
	ctx    *cuda.Context
	stream *cuda.Stream
	// devices are the GPUs' descriptions.
	devices []datasets.Device
	clock   microbench.Clock
	// sentinel is the memory of Sentinel, 0 before its first run.
	sentinel cuda.Ptr
	// flushed is the memory that flush writes, 0 before its first run.
	flushed cuda.Ptr
	comm    communication
	// algorithms are the fastest of cuBLASLt's for the products of layers.
	algorithms map[cublaslt.Product]cublaslt.Algorithm
}

var (
	_ microbench.Backend    = (*Backend)(nil)
	_ microbench.Identified = (*Backend)(nil)
)

// oldest is the compute capability that the kernels need.
const oldest = 8

// New opens the driver and the first GPU. A missing library is a
// *cuda.MissingError, what the driver says a *cuda.Error.
func New(o Options) (*Backend, error) {
	d, err := cuda.Open(o.Library)
	if err != nil {
		return nil, err
	}
	n, err := d.Count()
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("the driver shows this process no GPU: none is fitted, CUDA_VISIBLE_DEVICES hides all, or the container was started without them")
	}
	b := &Backend{options: o, driver: d}
	if o.Devices == nil {
		for i := range n {
			o.Devices = append(o.Devices, i)
		}
	}
	for _, i := range o.Devices {
		if i < 0 || i >= n {
			return nil, fmt.Errorf("there is no cuda:%d: the driver shows %d GPUs, from cuda:0 on", i, n)
		}
		device, err := d.Device(i)
		if err != nil {
			return nil, err
		}
		if device.Major < oldest {
			return nil, fmt.Errorf("cuda:%d, %s, has compute capability %d.%d, and the kernels need 8.0 (A100) or newer", i, device.Name, device.Major, device.Minor)
		}
		b.gpus = append(b.gpus, &gpu{device: device})
	}
	if err := b.open(1); err != nil {
		return nil, err
	}
	b.ctx, b.stream = b.gpus[0].ctx, b.gpus[0].stream
	for _, g := range b.gpus {
		b.devices = append(b.devices, describe(g, len(b.gpus)))
	}
	if err := b.readClock(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// open opens the first n GPUs that are not open yet.
func (b *Backend) open(n int) error {
	for _, g := range b.gpus[:n] {
		if err := g.open(); err != nil {
			return err
		}
	}
	return nil
}

// Device is the catalogue's entry for the first GPU, where it has one, with what
// the driver reports put over it. NodeSize is how many GPUs the backend has.
func (b *Backend) Device() datasets.Device { return b.devices[0] }

// Devices are Device for each of the GPUs.
func (b *Backend) Devices() []datasets.Device { return b.devices }

// UUIDs are the GPUs' ("GPU-…"), the first being the one of single-GPU cases.
func (b *Backend) UUIDs() []string {
	var out []string
	for _, g := range b.gpus {
		out = append(out, g.device.UUID)
	}
	return out
}

// Simulated reports whether a stand-in for the driver answers: it says so in the
// device's name, and its rows say nothing of hardware.
func (b *Backend) Simulated() bool { return strings.HasSuffix(b.gpus[0].device.Name, simulated) }

// Where names the GPUs with their UUIDs and PCI addresses.
func (b *Backend) Where() string {
	var out []string
	for _, g := range b.gpus {
		out = append(out, g.String())
	}
	return strings.Join(out, ", ")
}

// simulated ends the names of a stand-in driver's devices.
const simulated = " (simulated)"

// Prepare allocates and fills what the workload needs.
func (b *Backend) Prepare(w datasets.Workload) (microbench.Case, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if n := w.Workers(); n > b.ranks() {
		return nil, skip("%s asks for %d GPUs, and this run has %d", w.Suite(), n, b.ranks())
	}
	if err := b.open(min(max(1, w.Workers()), len(b.gpus))); err != nil {
		return nil, err
	}
	switch w := w.(type) {
	case datasets.Stream:
		if w.Kernel == "peer" {
			return b.preparePeer(w)
		}
		return b.prepareStream(w)
	case datasets.GEMM:
		return b.prepareGEMM(w)
	case datasets.Collective:
		return b.prepareCollective(w)
	case datasets.DecodeLayer:
		return b.prepareDecode(w)
	case datasets.Attention:
		return b.prepareAttention(w)
	case datasets.MoELayer:
		return b.prepareMoE(w)
	}
	return nil, skip("a GPU has no kernel for %s/%s here", w.Suite(), w.Op())
}

// Close gives the GPUs back. Cases prepared here are unusable afterwards.
func (b *Backend) Close() error {
	errs := []error{b.dismiss(), b.comm.close()}
	for _, g := range b.gpus {
		errs = append(errs, g.close())
	}
	b.sentinel, b.flushed = 0, 0
	return errors.Join(errs...)
}

// function is a kernel on the first GPU, loaded once: kernelFile is the name of
// the .cu file without its ending.
func (b *Backend) function(kernelFile, name string) (*cuda.Function, error) {
	return b.gpus[0].function(kernelFile, name)
}

func skip(format string, args ...any) error {
	return &microbench.SkipError{Reason: fmt.Sprintf(format, args...)}
}
