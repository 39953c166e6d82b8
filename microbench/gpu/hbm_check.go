package gpu

import (
	"encoding/binary"
	"math"

	"bench/cuda"
	"bench/cuda/kernels"
	"bench/datasets"
	"bench/microbench"
)

// Every element of a pass is checked in operands of ones, whose answers are exact
// and known: a byte that is left out or a tile done twice shows. Samples in
// random operands are then compared with the host's arithmetic.

// ones is 1 of a type, as often as it fits 8 bytes.
func ones(t datasets.DType) uint64 { return repeated(t, 1) }

// repeated is a value of a type, as often as it fits 8 bytes.
func repeated(t datasets.DType, v float64) uint64 {
	switch t {
	case datasets.FP64:
		return math.Float64bits(v)
	case datasets.BF16:
		return uint64(kernels.BF16(float32(v))) * 0x0001000100010001
	case datasets.FP16:
		return uint64(kernels.FP16(float32(v))) * 0x0001000100010001
	case datasets.FP8:
		return uint64(kernels.FP8(float32(v))) * 0x0101010101010101
	case datasets.INT8:
		return uint64(uint8(kernels.INT8(float32(v)))) * 0x0101010101010101
	}
	return uint64(math.Float32bits(float32(v))) * 0x0000000100000001
}

// word reads 8 bytes from the device.
func (b *Backend) word(p cuda.Ptr) (uint64, error) {
	var w [8]byte
	err := b.ctx.ToHost(w[:], p)
	return binary.LittleEndian.Uint64(w[:]), err
}

// pattern writes 8 bytes over and over, and waits.
func (b *Backend) pattern(p cuda.Ptr, bytes int64, pattern uint64) error {
	f, err := b.function("stream", "bench_write")
	if err != nil {
		return err
	}
	if err := b.stream.Launch(f, b.gpus[0].passOver(), p, bytes, pattern, int32(1)); err != nil {
		return err
	}
	return b.gpus[0].wait(answerWithin)
}

// passOver is a launch of the passes' kernels where their time does not matter.
func (g *gpu) passOver() cuda.Launch {
	return cuda.Launch{Grid: [3]int{4 * g.device.SMs}, Block: [3]int{passThreads}}
}

// checksum is the sum of an array's bytes.
func (b *Backend) checksum(p cuda.Ptr, bytes int64) (uint64, error) {
	f, err := b.function("stream", "bench_checksum")
	if err != nil {
		return 0, err
	}
	m := b.memory()
	defer m.free()
	total := m.alloc(8)
	if m.err != nil {
		return 0, m.err
	}
	if err := b.stream.Fill8(total, 0, 8); err != nil {
		return 0, err
	}
	if err := b.stream.Launch(f, b.gpus[0].passOver(), total, p, bytes); err != nil {
		return 0, err
	}
	if err := b.gpus[0].wait(answerWithin); err != nil {
		return 0, err
	}
	return b.word(total)
}

// patternSum is checksum's answer for an array of a pattern.
func patternSum(pattern uint64, bytes int64) (sum uint64) {
	for i := range int64(8) {
		sum += (pattern >> (8 * i) & 0xff) * uint64((bytes+7-i)/8)
	}
	return sum
}

// sum is what the blocks of a read or dot of n elements came to together.
func (p *stream) sum(n int64) (float64, error) {
	l, err := p.launch(n * int64(p.w.Type.Size()))
	if err != nil {
		return 0, err
	}
	b := make([]byte, 8*l.Grid[0])
	if err := p.b.ctx.ToHost(b, p.partial); err != nil {
		return 0, err
	}
	sum := 0.0
	for ; len(b) > 0; b = b[8:] {
		sum += math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return sum, nil
}

// runNow makes passes over n elements and waits.
func (p *stream) runNow(n int64, passes int32) error {
	if p.w.Kernel != "read" && p.w.Kernel != "dot" {
		// What is not written then is not the answer.
		out := p.arrays[len(p.arrays)-1]
		if err := p.b.stream.Fill8(out, 0xff, p.bytes); err != nil {
			return err
		}
	}
	if err := p.run(p.b.stream, n, passes); err != nil {
		return err
	}
	return p.b.gpus[0].wait(answerWithin)
}

// check runs the pass on ones and on random operands, which stay.
func (p *stream) check() (microbench.Check, error) {
	out := microbench.Check{Checked: p.n}
	t := p.w.Type
	for i := range p.reads {
		if err := p.b.pattern(p.arrays[i], p.bytes, ones(t)); err != nil {
			return out, err
		}
	}
	// Two passes, where a launch makes several: sums show whether all were made. What
	// is written is the same after one.
	passes := min(p.passes, 2)
	if err := p.runNow(p.n, passes); err != nil {
		return out, err
	}
	wrong := func(bad bool) {
		if bad {
			out.Wrong++
			out.MaxRelError = 1
		}
	}
	switch p.w.Kernel {
	case "read", "dot":
		got, err := p.sum(p.n)
		if err != nil {
			return out, err
		}
		wrong(got != float64(p.n)*float64(passes))
	default:
		want := map[string]uint64{"write": writePattern, "copy": ones(t), "scale": repeated(t, streamScale), "triad": repeated(t, 1+streamScale)}[p.w.Kernel]
		got, err := p.b.checksum(p.arrays[len(p.arrays)-1], p.bytes)
		if err != nil {
			return out, err
		}
		wrong(got != patternSum(want, p.bytes))
	}
	if err := p.random(); err != nil {
		return out, err
	}
	if p.w.Kernel == "read" || p.w.Kernel == "dot" {
		return out, p.checkSum(&out)
	}
	return out, p.checkSamples(&out)
}

// value is element i of operand k, as its type holds it.
func (p *stream) value(k int, i int64) float64 {
	if p.b.options.Zeros {
		return 0
	}
	v := float32(kernels.Value(uint64(k), i))
	switch p.w.Type {
	case datasets.BF16:
		return float64(kernels.FromBF16(kernels.BF16(v)))
	case datasets.FP16:
		return float64(kernels.FromFP16(kernels.FP16(v)))
	case datasets.FP8:
		return float64(kernels.FromFP8(kernels.FP8(v)))
	case datasets.INT8:
		return float64(kernels.INT8(127 * v))
	}
	return float64(v)
}

// summed is how many random elements' sum is compared.
const summed = 1 << 18

// checkSum compares the sum of the first elements. Each thread adds at most some
// of them in float, so that each is rounded that often, half a unit in the last
// place of a partial sum: the bound is relative to the sum of magnitudes (Higham,
// "Accuracy and Stability of Numerical Algorithms", 2002, section 4.2).
func (p *stream) checkSum(out *microbench.Check) error {
	n := min(p.n, summed)
	if err := p.runNow(n, 1); err != nil {
		return err
	}
	got, err := p.sum(n)
	if err != nil {
		return err
	}
	want, magnitude := 0.0, 0.0
	for i := range n {
		v := p.value(0, i)
		if p.w.Kernel == "dot" {
			v *= p.value(1, i)
		}
		want += v
		magnitude += math.Abs(v)
	}
	l, err := p.launch(n * int64(p.w.Type.Size()))
	if err != nil {
		return err
	}
	each := float64(n)/float64(l.Grid[0]*passThreads) + 8
	switch p.w.Type {
	case datasets.INT8:
		out.Bound = 0
	case datasets.FP64:
		out.Bound = (each + 64) * 0x1p-53 // and the reference's own additions, in pairs no better
		out.Bound += float64(n) * 0x1p-53
	default:
		out.Bound = each * 0x1p-24
	}
	out.Checked += n
	if magnitude == 0 {
		magnitude = 1
	}
	e := math.Abs(got-want) / magnitude
	if !(e <= out.Bound) {
		out.Wrong++
	}
	out.MaxRelError = max(out.MaxRelError, e)
	return nil
}

// sampled elements of random operands are compared.
const sampledElements = 512

// checkSamples compares elements: the answer of one fused multiply-add, rounded
// once to the type (bf16 and fp16 after float), may be half a unit in the last
// place off what double says, and half of float's.
func (p *stream) checkSamples(out *microbench.Check) error {
	if p.w.Kernel == "write" {
		return nil // it reads nothing
	}
	if err := p.runNow(p.n, 1); err != nil {
		return err
	}
	t, result := p.w.Type, p.arrays[len(p.arrays)-1]
	size := int64(t.Size())
	if p.w.Kernel != "copy" {
		out.Bound = roundoff(t) + 0x1p-24
		if t == datasets.FP64 {
			out.Bound = 0x1p-52
		}
	}
	raw := make([]byte, size)
	for _, i := range sample(p.n, sampledElements) {
		if err := p.b.ctx.ToHost(raw, result+cuda.Ptr(i*size)); err != nil {
			return err
		}
		want := p.value(0, i)
		switch p.w.Kernel {
		case "scale":
			want *= streamScale
		case "triad":
			want += streamScale * p.value(1, i)
		}
		out.Checked++
		got := decode(t, raw)
		// Subnormals have an absolute step: fp16's is 2^-24.
		e := math.Abs(got-want) / max(math.Abs(want), 0x1p-14)
		if !(e <= out.Bound) {
			out.Wrong++
		}
		out.MaxRelError = max(out.MaxRelError, e)
	}
	return nil
}

// decode is the value of an element's bytes.
func decode(t datasets.DType, b []byte) float64 {
	switch t {
	case datasets.FP64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case datasets.BF16:
		return float64(kernels.FromBF16(binary.LittleEndian.Uint16(b)))
	case datasets.FP16:
		return float64(kernels.FromFP16(binary.LittleEndian.Uint16(b)))
	case datasets.FP8:
		return float64(kernels.FromFP8(b[0]))
	case datasets.INT8:
		return float64(int8(b[0]))
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
}
