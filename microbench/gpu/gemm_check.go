package gpu

import (
	"encoding/binary"
	"math"

	"bench/cuda"
	"bench/cuda/kernels"
	"bench/cuda/kernels/reference"
	"bench/datasets"
	"bench/microbench"
)

// productSample is how many rows and how many columns of C are recomputed where
// they cross.
const productSample = 48

// check makes one product of random operands, whatever is measured, and compares
// elements with sums in double precision of what the operands were filled with.
func (p *product) check() (microbench.Check, error) {
	zeros := p.b.options.Zeros
	if zeros {
		if err := p.fill(false); err != nil {
			return microbench.Check{}, err
		}
	}
	g, size := p.b.gpus[0], int64(p.w.Type.OutSize())
	if err := g.stream.Fill8(p.c, 0xff, p.w.M*p.w.N*size); err != nil { // NaN, or -1 of an int32
		return microbench.Check{}, err
	}
	if err := p.enqueue(g.stream, 0); err != nil {
		return microbench.Check{}, err
	}
	if err := g.wait(answerWithin); err != nil {
		return microbench.Check{}, err
	}
	v := &verification{g: g}
	rows, columns := sample(p.w.M, productSample), sample(p.w.N, productSample)
	weights := make([][]float64, len(columns))
	for j, c := range columns {
		weights[j] = p.operand(seedB, c)
	}
	scale := 1.0
	if p.w.Type == datasets.FP8 {
		scale = fp8ScaleA * fp8ScaleB
	}
	bound := productBound(p.w.Type, p.w.K)
	for _, r := range rows {
		a := p.operand(seedA, r)
		raw := v.raw(p.c+cuda.Ptr(r*p.w.N*size), p.w.N*size)
		if v.err != nil {
			return microbench.Check{}, v.err
		}
		have, want := pick(results(p.w.Type, raw), columns), make([]float64, len(columns))
		for j := range columns {
			want[j] = scale * reference.Dot(a, weights[j])
		}
		v.compare(have, want, 0, bound)
	}
	if zeros {
		return v.check, p.fill(true)
	}
	return v.check, nil
}

// operand is row r of A or of B as [n, k], by its definition.
func (p *product) operand(seed uint64, r int64) []float64 {
	out, scale := make([]float64, p.w.K), float32(scaleOf(p.w.Type))
	for k := range out {
		x := kernels.Value(seed, r*p.w.K+int64(k))
		f := scale * float32(x)
		switch p.w.Type {
		case datasets.FP64:
			out[k] = x
			continue
		case datasets.BF16:
			f = kernels.FromBF16(kernels.BF16(f))
		case datasets.FP16:
			f = kernels.FromFP16(kernels.FP16(f))
		case datasets.FP8:
			f = kernels.FromFP8(kernels.FP8(f))
		case datasets.INT8:
			f = float32(kernels.INT8(f))
		}
		out[k] = float64(f)
	}
	return out
}

// results decodes a row of C.
func results(t datasets.DType, raw []byte) []float64 {
	le, size := binary.LittleEndian, int(t.OutSize())
	out := make([]float64, len(raw)/size)
	for i := range out {
		b := raw[i*size:]
		switch t {
		case datasets.FP64:
			out[i] = math.Float64frombits(le.Uint64(b))
		case datasets.INT8:
			out[i] = float64(int32(le.Uint32(b)))
		case datasets.FP16:
			out[i] = float64(kernels.FromFP16(le.Uint16(b)))
		case datasets.BF16, datasets.FP8:
			out[i] = float64(kernels.FromBF16(le.Uint16(b)))
		default:
			out[i] = float64(math.Float32frombits(le.Uint32(b)))
		}
	}
	return out
}

// productBound is what an element of C may be off, relative to the larger of its
// value and the row's root mean square: the sum's errors (sumBound) and the
// rounding of the result.
//
// fp64 sums round to nearest at 2^-53, and so do the reference's. int8 is exact.
// TF32 drops all but 10 bits of each factor's fraction, up to 2^-9 of a product
// (Fasi et al., 2021): 2^-10 of the result on average, and four standard deviations
// of the rest. fp8 products are added in 13 fraction bits of the largest of a step
// of 32 and the sum so far (DeepSeek-V3, section 3.3.2), which the library promotes
// to fp32 every few steps: each product is off by up to 2^-13 of about 8 root mean
// squares of a product, four standard deviations of them added.
func productBound(t datasets.DType, k int64) float64 {
	switch t {
	case datasets.FP64:
		return 8 * math.Sqrt(float64(k)) * 0x1p-53
	case datasets.INT8:
		return 0
	case datasets.TF32:
		return 5*0x1p-10 + sumBound(k)
	case datasets.FP8:
		return roundoff(datasets.BF16) + 32*0x1p-13 + sumBound(k)
	}
	return roundoff(t) + sumBound(k)
}
