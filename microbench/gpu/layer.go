package gpu

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"bench/cuda"
	"bench/cuda/nccl"
	"bench/datasets"
	"bench/microbench"
)

// layer collects what one iteration of a case launches, in order, and beside
// each launch how its answer is checked. After the first error nothing more is
// added, and err says why.
type layer struct {
	b *Backend
	// g is the GPU, and m its memory.
	g *gpu
	m *memory
	// rank of all that the layer is on, of which ranks each split the same matrices;
	// group is the rank's such group. The joints are the steps that are nil, in order;
	// world and tensorComm the communicators of all and of the group, where there are.
	rank, ranks       int64
	group             int
	world, tensorComm *nccl.Comm
	joints            []joint
	// like is the rank whose number of copies is this one's too.
	like *layer
	// t is the type of weights, activations and cache, kernelType its name in
	// the kernels' names.
	t          datasets.DType
	kernelType string
	// copies of everything that weight places.
	copies int64
	flush  bool
	steps  []step
	// kernels names each step.
	kernels []string
	stages  []stage
	// activations are what the steps write, so that a check can begin without an
	// earlier answer.
	activations []tensor
	closers     []func() error
	// names are what does the work, libraries with their versions.
	names []string
	// version is cuBLASLt's, where a product is its.
	version string
	err     error
}

// step enqueues one launch, or one library call, on copy c of the weights.
type step func(s *cuda.Stream, c int64) error

// stage checks what a step wrote against what it read, on copy c.
type stage func(v *verification, c int64) error

// layerTypes are the types that the tensor-core kernels take.
var layerTypes = map[datasets.DType]string{datasets.BF16: "bf16", datasets.FP16: "fp16"}

// newLayer is a layer's part on one GPU.
func (b *Backend) newLayer(g *gpu, suite datasets.Suite, t datasets.DType) (*layer, error) {
	name, ok := layerTypes[t]
	if !ok {
		return nil, skip("%s: the GPU's layer kernels are for bf16 and fp16 on tensor cores, not %s", suite, t)
	}
	return &layer{b: b, g: g, m: g.memory(), t: t, kernelType: name, copies: 1, ranks: 1}, nil
}

// rotate sets how many copies of the weights there are: each iteration touches
// that many bytes of perCopy. Where a second copy does not fit, and the first
// may stay in the L2, the L2 is flushed between iterations.
func (l *layer) rotate(cache datasets.Cache, touched, perCopy int64) {
	if cache != datasets.Cold {
		return
	}
	if l.like != nil {
		l.copies = l.like.copies
		return
	}
	l.copies = max(1, min(l.b.blocks(cache, touched), l.b.available()/2/max(perCopy, 1)))
	l.flush = l.copies*touched < 3*l.g.device.L2Bytes
}

// tensor is rows × cols of a type in device memory. Copies of it lie stride
// bytes apart and are all alike; stride is 0 where there is one.
type tensor struct {
	t          datasets.DType
	rows, cols int64
	p          cuda.Ptr
	stride     int64
	// Element i is scale·kernels.Value(seed, i), rounded, where scale is not 0.
	seed  uint64
	scale float64
}

func (x tensor) at(c int64) cuda.Ptr { return x.p + cuda.Ptr(c*x.stride) }

func (x tensor) bytes() int64 { return x.rows * x.cols * int64(x.t.Size()) }

// weight places a filled operand in every copy, the same on every rank. Its
// elements are uniform, of a standard deviation of deviation.
func (l *layer) weight(rows, cols int64, deviation float64) tensor {
	return l.place(rows, cols, deviation, 0)
}

// part is a weight of which each rank has another part.
func (l *layer) part(rows, cols int64, deviation float64) tensor {
	return l.place(rows, cols, deviation, uint64(l.rank)<<32)
}

func (l *layer) place(rows, cols int64, deviation float64, seed uint64) tensor {
	x := tensor{t: l.t, rows: rows, cols: cols, seed: seed + uint64(len(l.m.ptrs)+1), scale: deviation * math.Sqrt(3)}
	x.stride = (x.bytes() + 255) / 256 * 256
	x.p = l.alloc(x.stride * l.copies)
	for c := int64(0); c < l.copies && l.err == nil; c++ {
		l.err = l.g.fill(x.at(c), x.t, rows*cols, x.seed, x.scale, l.b.options.Zeros)
	}
	return x
}

// input is a filled operand that all copies share, the same on every rank.
func (l *layer) input(rows, cols int64) tensor { return l.shared(rows, cols, 0) }

// tokens is an input of which each group of ranks has another.
func (l *layer) tokens(rows, cols int64) tensor { return l.shared(rows, cols, uint64(l.group)<<32) }

func (l *layer) shared(rows, cols int64, seed uint64) tensor {
	x := tensor{t: l.t, rows: rows, cols: cols, seed: seed + uint64(len(l.m.ptrs)+1), scale: math.Sqrt(3)}
	x.p = l.alloc(x.bytes())
	if l.err == nil {
		l.err = l.g.fill(x.p, x.t, rows*cols, x.seed, x.scale, l.b.options.Zeros)
	}
	return x
}

// buffer is what a step writes.
func (l *layer) buffer(t datasets.DType, rows, cols int64) tensor {
	x := tensor{t: t, rows: rows, cols: cols}
	x.p = l.alloc(x.bytes())
	l.activations = append(l.activations, x)
	return x
}

// ints places numbers that the host knows.
func (l *layer) ints(v []int32) cuda.Ptr {
	raw := make([]byte, 0, 4*len(v))
	for _, n := range v {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(n))
	}
	return l.upload(raw)
}

func (l *layer) upload(raw []byte) cuda.Ptr {
	p := l.alloc(int64(len(raw)))
	if l.err == nil {
		l.err = l.g.ctx.ToDevice(p, raw)
	}
	return p
}

func (l *layer) alloc(bytes int64) cuda.Ptr {
	if l.err != nil {
		return 0
	}
	p := l.m.alloc(bytes)
	l.err = l.m.err
	return p
}

// kernel adds a launch; args gives its arguments on copy c.
func (l *layer) kernel(file, name string, at cuda.Launch, args func(c int64) []any) {
	if l.err != nil {
		return
	}
	f, err := l.g.function(file, name)
	if err != nil {
		l.err = err
		return
	}
	if at.SharedBytes > 48<<10 {
		if l.err = f.SetSharedBytes(at.SharedBytes); l.err != nil {
			return
		}
	}
	l.kernels = append(l.kernels, name)
	l.steps = append(l.steps, func(s *cuda.Stream, c int64) error { return s.Launch(f, at, args(c)...) })
}

// fixed are arguments that are the same on every copy.
func fixed(args ...any) func(int64) []any { return func(int64) []any { return args } }

// checked adds how the answer of what was added last is checked.
func (l *layer) checked(s stage) { l.stages = append(l.stages, s) }

// enqueue runs all steps of iteration i.
func (l *layer) enqueue(s *cuda.Stream, i int64) error {
	for _, step := range l.steps {
		if err := step(s, i%l.copies); err != nil {
			return err
		}
	}
	return nil
}

// work is the case. launch is as in work.launch; the layer's memory is the
// case's from here on.
func (l *layer) work(launch string) work {
	next := int64(0)
	w := work{enqueue: l.enqueue, launch: launch, copies: l.copies, launches: int64(len(l.steps)), flush: l.flush,
		close: l.free, name: strings.Join(l.names, ", "), version: l.version}
	w.check = func() (microbench.Check, error) {
		next++
		return l.check((next - 1) % l.copies)
	}
	return w
}

// newCase is the case, or the layer's error.
func (l *layer) newCase(launch string) (microbench.Case, error) {
	if err := l.done(); err != nil {
		return nil, err
	}
	return l.b.newCase(l.work(launch)), nil
}

func (l *layer) free() error {
	var first error
	// What was opened last goes first: plans before their library.
	slices.Reverse(l.closers)
	for _, f := range append(l.closers, l.m.free) {
		if err := f(); err != nil && first == nil {
			first = err
		}
	}
	l.closers = nil
	return first
}

// done is the layer's error, with its memory given back where there is one.
func (l *layer) done() error {
	if l.err != nil {
		l.free()
	}
	return l.err
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }

// widths refuses what is not whole 16-byte vectors.
func widths(suite datasets.Suite, what ...any) error {
	for i := 0; i < len(what); i += 2 {
		if n := what[i+1].(int64); n%8 != 0 {
			return skip("%s: the GPU's kernels load 8 elements at a time, and %v is %d", suite, what[i], n)
		}
	}
	return nil
}

// name is a kernel's for the layer's type.
func (l *layer) name(kernel string) string { return kernel + "_" + l.kernelType }
