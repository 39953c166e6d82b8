package gpu

import (
	"encoding/binary"
	"math"

	"bench/cuda"
	"bench/cuda/kernels"
	"bench/datasets"
	"bench/microbench"
)

// verification compares what steps wrote with double-precision references that
// take weights from their definition, not from memory. Each step is held
// against what it truly read, so that a bound is that of one step's arithmetic
// and no error is excused by an earlier one.
type verification struct {
	g     *gpu
	zeros bool
	check microbench.Check
	err   error
}

// sampledRows and sampledColumns bound what is compared of each answer.
const (
	sampledRows    = 4
	sampledColumns = 64
)

// sample is up to most numbers below n: the first, the last, and others spread
// between by a step that is odd, so that every place within a tile comes up.
func sample(n, most int64) []int64 {
	if n <= most {
		most = n
	}
	out := make([]int64, most)
	for i := range out {
		out[i] = int64(i)
		if n > most {
			at := int64(i) * (n - 1) / max(most-1, 1)
			if i%2 == 1 {
				at |= 1
			}
			out[i] = min(at, n-1)
		}
	}
	return out
}

// roundoff is a type's unit roundoff: half the distance from 1 to the next
// number (IEEE 754: 2^-11 for binary16; bf16 has 8 bits of significand).
func roundoff(t datasets.DType) float64 {
	switch t {
	case datasets.BF16:
		return 0x1p-8
	case datasets.FP16:
		return 0x1p-11
	}
	return 0x1p-24
}

// sumBound is what a sum of k products on tensor cores may be off, relative to
// the larger of its value and a row's root mean square. Sums that round to
// nearest: λ·sqrt(k)·2^-24 with λ = 4 (Higham and Mary, "A New Approach to
// Probabilistic Rounding Error Analysis", 2019, theorem 2.4). Tensor cores
// truncate each addition of up to 16 products, which all err the same way
// (Fasi et al., "Numerical behavior of NVIDIA tensor cores", 2021): k/8
// additions of 2^-23 cover two m16n8k8 a step.
func sumBound(k int64) float64 {
	return 4*math.Sqrt(float64(k))*0x1p-24 + float64(ceilDiv(k, 8))*0x1p-23
}

// compare holds elements against their references, relative to the larger of
// the reference and scale, or the references' root mean square where scale is 0.
func (v *verification) compare(have, want []float64, scale, bound float64) {
	if scale == 0 {
		square := 0.0
		for _, w := range want {
			square += w * w
		}
		scale = math.Sqrt(square / float64(len(want)))
	}
	for i, w := range want {
		e := math.Abs(have[i]-w) / max(math.Abs(w), scale, math.SmallestNonzeroFloat64)
		v.check.Checked++
		if !(e <= bound) { // NaN is wrong
			v.check.Wrong++
		}
		if e > v.check.MaxRelError || math.IsNaN(e) {
			v.check.MaxRelError = e
		}
	}
	v.check.Bound = max(v.check.Bound, bound)
}

// same counts numbers that are not what they must be.
func (v *verification) same(have, want []int32) {
	for i := range want {
		v.check.Checked++
		if have[i] != want[i] {
			v.check.Wrong++
		}
	}
}

// row is row r of a tensor as it lies in copy c.
func (v *verification) row(x tensor, c, r int64) []float64 { return v.part(x, c, r*x.cols, x.cols) }

func (v *verification) part(x tensor, c, from, n int64) []float64 {
	size := int64(x.t.Size())
	raw := v.raw(x.at(c)+cuda.Ptr(from*size), n*size)
	out := make([]float64, n)
	for i := range out {
		switch x.t {
		case datasets.BF16:
			out[i] = float64(kernels.FromBF16(binary.LittleEndian.Uint16(raw[2*i:])))
		case datasets.FP16:
			out[i] = float64(kernels.FromFP16(binary.LittleEndian.Uint16(raw[2*i:])))
		default:
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:])))
		}
	}
	return out
}

func (v *verification) raw(p cuda.Ptr, bytes int64) []byte {
	raw := make([]byte, bytes)
	if v.err == nil {
		v.err = v.g.ctx.ToHost(raw, p)
	}
	return raw
}

func (v *verification) ints(p cuda.Ptr, n int64) []int32 {
	raw := v.raw(p, 4*n)
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out
}

// values are elements from … from+n of a filled operand, by its definition.
func (v *verification) values(x tensor, from, n int64) []float64 {
	out := make([]float64, n)
	if v.zeros {
		return out
	}
	for i := range out {
		out[i] = element(x.t, x.seed, from+int64(i), x.scale)
	}
	return out
}

// element is element i of what bench_fill_* writes: scaled in fp32, and rounded.
func element(t datasets.DType, seed uint64, i int64, scale float64) float64 {
	f := float32(scale) * float32(kernels.Value(seed, i))
	switch t {
	case datasets.BF16:
		f = kernels.FromBF16(kernels.BF16(f))
	case datasets.FP16:
		f = kernels.FromFP16(kernels.FP16(f))
	}
	return float64(f)
}

// pick takes some of a row's elements.
func pick(row []float64, columns []int64) []float64 {
	out := make([]float64, len(columns))
	for i, c := range columns {
		out[i] = row[c]
	}
	return out
}

// check runs every step once on copy c, from activations that hold nothing but
// NaN, and then every stage.
func (l *layer) check(c int64) (microbench.Check, error) {
	if err := l.forget(); err != nil {
		return microbench.Check{}, err
	}
	if err := l.enqueue(l.g.stream, c); err != nil {
		return microbench.Check{}, err
	}
	if err := l.g.wait(answerWithin); err != nil {
		return microbench.Check{}, err
	}
	return l.verify(c)
}

// forget fills what the steps write with NaN.
func (l *layer) forget() error {
	for _, x := range l.activations {
		if x.bytes() == 0 {
			continue
		}
		if err := l.g.stream.Fill8(x.p, 0xff, x.bytes()); err != nil {
			return err
		}
	}
	return nil
}

// verify checks every stage on copy c.
func (l *layer) verify(c int64) (microbench.Check, error) {
	v := &verification{g: l.g, zeros: l.b.options.Zeros}
	for _, stage := range l.stages {
		if err := stage(v, c); err != nil {
			return microbench.Check{}, err
		}
		if v.err != nil {
			return microbench.Check{}, v.err
		}
	}
	return v.check, nil
}
