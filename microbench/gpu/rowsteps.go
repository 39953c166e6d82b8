package gpu

import (
	"bench/cuda"
	"bench/cuda/kernels/reference"
	"bench/datasets"
)

// rowHold is how many 16-byte vectors of a row a thread of the norm and softmax
// kernels keeps (ROW_HOLD in rowwise.cu).
const rowHold = 4

// vectorWidth is how many elements of a type 16 bytes hold.
func vectorWidth(t datasets.DType) int64 { return int64(16 / t.Size()) }

// maxRow is the longest row that 1,024 threads hold.
func maxRow(t datasets.DType) int64 { return 1024 * rowHold * vectorWidth(t) }

// blockPerRow is a block for each row, of the threads that hold it.
func blockPerRow(t datasets.DType, rows, cols int64) cuda.Launch {
	threads := ceilDiv(cols, rowHold*vectorWidth(t))
	return cuda.Launch{Grid: [3]int{int(rows)}, Block: [3]int{int(ceilDiv(threads, 32) * 32)}}
}

// threadPerVector is a thread for each `each` elements of each row.
func threadPerVector(rows, cols, each int64) cuda.Launch {
	threads := max(32, min(256, ceilDiv(ceilDiv(cols, each), 32)*32))
	return cuda.Launch{Grid: [3]int{int(rows), int(ceilDiv(cols, each*threads))}, Block: [3]int{int(threads)}}
}

// rowBound is the bound of row-wise arithmetic in fp32: the result's rounding,
// and some 30 roundings one after another in reductions of logarithmic depth.
func rowBound(t datasets.DType) float64 { return roundoff(t) + 30*0x1p-24 }

func (l *layer) rmsNorm(x, gain tensor) tensor {
	y := l.buffer(l.t, x.rows, x.cols)
	l.kernel("rowwise", l.name("bench_rms_norm"), blockPerRow(l.t, x.rows, x.cols), func(c int64) []any {
		return []any{y.p, x.at(c), gain.at(c), int32(x.cols), float32(normEpsilon)}
	})
	l.checked(func(v *verification, c int64) error {
		gains := v.values(gain, 0, gain.cols)
		for _, r := range sample(x.rows, sampledRows) {
			v.compare(v.row(y, 0, r), reference.RMSNorm(v.row(x, c, r), gains, normEpsilon), 0, rowBound(l.t))
		}
		return v.err
	})
	return y
}

// addNorm is x + residual, and its norm.
func (l *layer) addNorm(x, residual, gain tensor) (total, y tensor) {
	total, y = l.buffer(l.t, x.rows, x.cols), l.buffer(l.t, x.rows, x.cols)
	l.kernel("rowwise", l.name("bench_add_rms_norm"), blockPerRow(l.t, x.rows, x.cols), func(c int64) []any {
		return []any{y.p, total.p, x.p, residual.at(c), gain.at(c), int32(x.cols), float32(normEpsilon)}
	})
	l.checked(func(v *verification, c int64) error {
		gains := v.values(gain, 0, gain.cols)
		for _, r := range sample(x.rows, sampledRows) {
			sum := v.row(total, 0, r)
			v.compare(sum, sums(v.row(x, 0, r), v.row(residual, c, r)), 0, rowBound(l.t))
			v.compare(v.row(y, 0, r), reference.RMSNorm(sum, gains, normEpsilon), 0, rowBound(l.t))
		}
		return v.err
	})
	return total, y
}

func sums(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range out {
		out[i] = a[i] + b[i]
	}
	return out
}

func (l *layer) add(x, residual tensor) tensor {
	y := l.buffer(l.t, x.rows, x.cols)
	l.kernel("rowwise", l.name("bench_add"), threadPerVector(x.rows, x.cols, vectorWidth(l.t)), func(c int64) []any {
		return []any{y.p, x.p, residual.at(c), int32(x.cols)}
	})
	l.checked(func(v *verification, c int64) error {
		for _, r := range sample(x.rows, sampledRows) {
			v.compare(v.row(y, 0, r), sums(v.row(x, 0, r), v.row(residual, c, r)), 0, rowBound(l.t))
		}
		return v.err
	})
	return y
}

// activate is SiLU of a row's first width elements times the next, or GELU.
func (l *layer) activate(x tensor, width int64, gated bool) tensor {
	y := l.buffer(l.t, x.rows, width)
	at := threadPerVector(x.rows, width, vectorWidth(l.t))
	if gated {
		l.kernel("rowwise", l.name("bench_silu_mul"), at,
			fixed(y.p, x.p, x.p+cuda.Ptr(width*int64(l.t.Size())), int32(width), int32(x.cols)))
	} else {
		l.kernel("rowwise", l.name("bench_gelu"), at, fixed(y.p, x.p, int32(width)))
	}
	l.checked(func(v *verification, c int64) error {
		for _, r := range sample(x.rows, sampledRows) {
			v.compare(v.row(y, 0, r), activated(v.row(x, 0, r), width, gated), 0, rowBound(l.t))
		}
		return v.err
	})
	return y
}

func activated(x []float64, width int64, gated bool) []float64 {
	y := make([]float64, width)
	for i := range y {
		if gated {
			y[i] = reference.SiLU(x[i]) * x[int64(i)+width]
		} else {
			y[i] = reference.GELU(x[i])
		}
	}
	return y
}
