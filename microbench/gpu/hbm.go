package gpu

import (
	"errors"
	"fmt"

	"bench/cuda"
	"bench/cuda/kernels"
	"bench/datasets"
	"bench/microbench"
)

// prepareStream is a pass over one GPU's memory, or a copy that a copy engine
// makes.
func (b *Backend) prepareStream(w datasets.Stream) (microbench.Case, error) {
	switch w.Kernel {
	case "peer":
		return b.preparePeer(w)
	case "write_nt", "copy_nt", "triad_nt":
		return nil, skip("hbm %s: a GPU's stores never fetch the line that they overwrite, so that there is no non-temporal form: measure %s", w.Kernel, w.Kernel[:len(w.Kernel)-3])
	}
	if w.Ranks != 1 {
		return nil, skip("hbm %s: memory is measured on one GPU, not on %d together", w.Kernel, w.Ranks)
	}
	if isRowwise(w.Kernel) {
		return b.prepareRowwise(w)
	}
	switch w.Kernel {
	case "launch":
		return b.prepareLaunch()
	case "latency":
		return b.prepareLatency(w)
	case "copy_engine", "host_to_device", "device_to_host":
		return b.prepareCopy(w)
	}
	return b.preparePass(w)
}

// stream is a pass prepared on the first GPU.
type stream struct {
	b *Backend
	w datasets.Stream
	// element is the type's name in the kernels, n the elements of an array and
	// bytes its length.
	element  string
	n, bytes int64
	passes   int32
	// arrays are those read and then those written; partial takes a block's sum each.
	arrays  []cuda.Ptr
	partial cuda.Ptr
	reads   int
	// short leaves out so many elements: a test that the check sees it.
	short int64
}

// streamScale is the scalar of scale and triad: 1.75 and its products are exact in
// every type.
const streamScale = 0.75

// arithmeticTypes are those that scale, triad and dot exist for.
var arithmeticTypes = map[datasets.DType]bool{datasets.FP64: true, datasets.FP32: true, datasets.TF32: true, datasets.BF16: true, datasets.FP16: true}

func (b *Backend) preparePass(w datasets.Stream) (microbench.Case, error) {
	reads, writes := w.Arrays()
	if reads+writes == 0 {
		return nil, skip("%s/%s has no GPU kernel", w.Suite(), w.Op())
	}
	element, ok := fillNames[w.Type]
	if !ok {
		return nil, skip("hbm %s: there is no kernel for %s", w.Kernel, w.Type)
	}
	if w.Kernel != "read" && w.Kernel != "write" && w.Kernel != "copy" && !arithmeticTypes[w.Type] {
		return nil, skip("hbm %s: vector units do not calculate in %s: use fp64, fp32, bf16 or fp16", w.Kernel, w.Type)
	}
	size := int64(w.Type.Size())
	p := &stream{b: b, w: w, element: element, n: w.SizeBytes / int64(reads+writes) / size, reads: reads, passes: int32(w.LaunchPasses(b.gpus[0].device.L2Bytes))}
	p.bytes = p.n * size
	if p.n < 1 {
		return nil, skip("hbm %s: %d bytes are not an element of %s for each of %d arrays", w.Kernel, w.SizeBytes, w.Type, reads+writes)
	}
	memory := b.memory()
	for range reads + writes {
		p.arrays = append(p.arrays, memory.alloc(p.bytes))
	}
	launch, err := p.launch(p.bytes)
	var most int64
	if err == nil {
		most, err = p.mostBlocks()
	}
	if err == nil {
		p.partial = memory.alloc(8 * most) // fewer elements may take more blocks
		err = memory.err
	}
	if err == nil {
		err = p.random()
	}
	if err != nil {
		return nil, errors.Join(err, memory.free())
	}
	c := b.newCase(work{
		enqueue: func(s *cuda.Stream, _ int64) error { return p.run(s, p.n, p.passes) },
		check:   p.check, close: memory.free,
		name: p.kernel(), version: fmt.Sprintf("%d × %d threads, passes a launch: %d", launch.Grid[0], passThreads, p.passes),
	})
	return &manyPasses{Case: c, passes: int64(p.passes)}, nil
}

// manyPasses is a case whose iteration is a pass, of which a launch makes
// several: its batch is the next whole number of launches, scaled to n.
type manyPasses struct {
	microbench.Case
	passes int64
}

func (c *manyPasses) Batch(n int64) (microbench.Timing, error) {
	launches := ceilDiv(n, c.passes)
	t, err := c.Case.Batch(launches)
	scale := float64(n) / float64(launches*c.passes)
	return microbench.Timing{Seconds: t.Seconds * scale, WallSeconds: t.WallSeconds * scale}, err
}

func (p *stream) kernel() string {
	if p.w.Kernel == "write" || p.w.Kernel == "copy" {
		return "bench_" + p.w.Kernel // bytes, whatever their type
	}
	return "bench_" + p.w.Kernel + "_" + p.element
}

// A block of a pass has passThreads and works on tiles of tileBytes of each array
// (cuda/kernels/tiles.cuh).
const (
	passThreads = 256
	tileBytes   = passThreads * 4 * 16
)

// mostBlocks is how many the SMs hold at a time.
func (p *stream) mostBlocks() (int64, error) {
	f, err := p.b.function("stream", p.kernel())
	if err != nil {
		return 0, err
	}
	active, err := f.ActiveBlocks(passThreads, 0)
	return int64(p.b.gpus[0].device.SMs * max(active, 1)), err
}

// launch is the grid for arrays of so many bytes: as many blocks as the SMs hold at
// a time, or fewer, so that each has the same number of tiles or one less.
func (p *stream) launch(bytes int64) (cuda.Launch, error) {
	most, err := p.mostBlocks()
	if err != nil {
		return cuda.Launch{}, err
	}
	tiles := ceilDiv(bytes, tileBytes)
	rounds := ceilDiv(tiles, most)
	return cuda.Launch{Grid: [3]int{int(ceilDiv(tiles, rounds))}, Block: [3]int{passThreads}}, nil
}

// run enqueues passes over the first n elements.
func (p *stream) run(s *cuda.Stream, n int64, passes int32) error {
	n -= p.short
	bytes := n * int64(p.w.Type.Size())
	l, err := p.launch(bytes)
	if err != nil {
		return err
	}
	f, err := p.b.function("stream", p.kernel())
	if err != nil {
		return err
	}
	a := p.arrays
	switch p.w.Kernel {
	case "read":
		return s.Launch(f, l, p.partial, a[0], n, passes)
	case "dot":
		return s.Launch(f, l, p.partial, a[0], a[1], n, passes)
	case "write":
		return s.Launch(f, l, a[0], bytes, uint64(writePattern), passes)
	case "copy":
		return s.Launch(f, l, a[1], a[0], bytes, passes)
	case "scale":
		return s.Launch(f, l, a[1], a[0], n, float32(streamScale), passes)
	case "triad":
		return s.Launch(f, l, a[2], a[0], a[1], n, float32(streamScale), passes)
	}
	return skip("hbm %s has no GPU kernel", p.w.Kernel)
}

// writePattern is what write writes: bits with no pattern of their own, for what
// data do to power.
const writePattern = 0x9e3779b97f4a7c15

// random fills what is read.
func (p *stream) random() error {
	for i := range p.reads {
		if err := p.b.fill(p.arrays[i], p.w.Type, p.n, uint64(i), fillScale(p.w.Type)); err != nil {
			return err
		}
	}
	return nil
}

// fillScale is the range of operands: all of int8's, else −1 to 1.
func fillScale(t datasets.DType) float64 {
	if t == datasets.INT8 {
		return 127
	}
	return 1
}

// prepareLaunch is an empty kernel: what one takes after another on a stream that
// is never idle.
func (b *Backend) prepareLaunch() (microbench.Case, error) {
	f, err := b.function("latency", "bench_empty")
	if err != nil {
		return nil, err
	}
	return b.newCase(work{
		enqueue: func(s *cuda.Stream, _ int64) error { return s.Launch(f, cuda.Launch{}) },
		// There is no answer; that it runs is all.
		check: func() (microbench.Check, error) {
			if err := b.stream.Launch(f, cuda.Launch{}); err != nil {
				return microbench.Check{}, err
			}
			return microbench.Check{Checked: 1}, b.gpus[0].wait(answerWithin)
		},
		name: "bench_empty", version: cuda.VersionText(b.driver.Version()),
	}), nil
}

// chase is a chain of loads through a working set; it implements
// microbench.Case, since a batch of n loads is one launch.
type chase struct {
	b      *Backend
	memory *memory
	lines  int64
	at     cuda.Ptr
	base   cuda.Ptr
	kernel *cuda.Function
	// steps are a launch's loads, and timing what times launches.
	steps  int64
	timing microbench.Case
}

// lineBytes is the L2's line; one load is made in each.
const lineBytes = 128

// chainSeed chooses the order of the lines.
const chainSeed = 1

func (b *Backend) prepareLatency(w datasets.Stream) (microbench.Case, error) {
	c := &chase{b: b, memory: b.memory(), lines: max(w.SizeBytes/lineBytes, 1)}
	c.timing = b.newCase(work{enqueue: func(*cuda.Stream, int64) error { return c.run(c.steps) }})
	chain, err := b.function("latency", "bench_chain")
	if err == nil {
		c.kernel, err = b.function("latency", "bench_chase")
	}
	if err != nil {
		return nil, err
	}
	c.base, c.at = c.memory.alloc(c.lines*lineBytes), c.memory.alloc(8)
	err = c.memory.err
	if err == nil {
		err = b.stream.Launch(chain, b.gpus[0].everySM(), c.base, c.lines, int32(lineBytes), int32(kernels.ShuffledHalfBits(c.lines)), uint64(chainSeed))
	}
	if err == nil {
		err = c.start()
	}
	if err != nil {
		return nil, errors.Join(err, c.memory.free())
	}
	return c, nil
}

// start goes back to the chain's first line.
func (c *chase) start() error {
	first := uint64(kernels.Shuffled(0, c.lines, chainSeed)) * lineBytes
	if err := c.b.stream.Fill32(c.at, uint32(first), 1); err != nil {
		return err
	}
	if err := c.b.stream.Fill32(c.at+4, uint32(first>>32), 1); err != nil {
		return err
	}
	return c.b.gpus[0].wait(answerWithin)
}

// Batch makes n loads.
func (c *chase) Batch(n int64) (microbench.Timing, error) {
	c.steps = n
	return c.timing.Batch(1)
}

func (c *chase) run(steps int64) error {
	return c.b.stream.Launch(c.kernel, cuda.Launch{}, c.base, c.at, steps)
}

// A chain is followed to its last line, or this far: a tenth of a second or
// so. Of a longer one checkedLinks are compared besides, one by one.
const (
	checkedSteps = 1 << 17
	checkedLinks = 512
)

// Check goes along the chain and compares where it comes to. Only one cycle through
// all lines comes to the last one at its end.
func (c *chase) Check() (microbench.Check, error) {
	steps := min(c.lines-1, checkedSteps)
	out := microbench.Check{Checked: max(steps, 1)}
	if err := errors.Join(c.start(), c.run(steps), c.b.gpus[0].wait(answerWithin)); err != nil {
		return out, err
	}
	same := func(at cuda.Ptr, step int64) error {
		got, err := c.b.word(at)
		if want := uint64(kernels.Shuffled(step%c.lines, c.lines, chainSeed)) * lineBytes; got != want {
			out.Wrong++
			out.MaxRelError = 1
		}
		return err
	}
	if err := same(c.at, steps); err != nil {
		return out, err
	}
	for _, step := range sample(c.lines, checkedLinks) {
		out.Checked++
		if err := same(c.base+cuda.Ptr(kernels.Shuffled(step, c.lines, chainSeed)*lineBytes), step+1); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (c *chase) Implementation() (name, version string) {
	return "bench_chase", fmt.Sprintf("%d lines of %d bytes in one cycle", c.lines, lineBytes)
}

func (c *chase) Close() error { return c.memory.free() }
