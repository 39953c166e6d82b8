package gpu

import (
	"math/rand/v2"

	"bench/cuda"
	"bench/cuda/kernels/reference"
	"bench/datasets"
	"bench/microbench"
)

// rowTypes are the types of the row-wise kernels.
var rowTypes = map[datasets.DType]string{datasets.FP32: "f32", datasets.BF16: "bf16", datasets.FP16: "fp16"}

// ropePositions is how many positions the angles' table of hbm/rope has: row r
// is at position r mod so many, so that the table stays in the caches, as that of
// a batch's positions does.
const ropePositions = 64

// isRowwise reports whether a pass over memory is a transformer's row-wise
// operator.
func isRowwise(kernel string) bool {
	switch kernel {
	case "rms_norm", "layer_norm", "softmax", "gelu", "silu_mul", "rope", "add", "embedding":
		return true
	}
	return false
}

// prepareRowwise prepares a row-wise operator on rows × cols elements. Its
// arrays are the same at each iteration: what fits the L2 is found there, as what
// the operator before has written is in a model.
func (b *Backend) prepareRowwise(w datasets.Stream) (microbench.Case, error) {
	name, ok := rowTypes[w.Type]
	reads, writes := w.Arrays()
	switch {
	case !ok:
		return nil, skip("hbm/%s: the GPU's kernels are for fp32, bf16 and fp16, not %s", w.Kernel, w.Type)
	case w.Ranks > 1:
		return nil, skip("hbm/%s is measured on one GPU, not %d", w.Kernel, w.Ranks)
	case w.Rows < 1 || w.Cols < 1 || w.SizeBytes != int64(reads+writes)*w.Rows*w.Cols*int64(w.Type.Size()):
		return nil, skip("hbm/%s: %d arrays of %d rows of %d elements are not %d bytes", w.Kernel, reads+writes, w.Rows, w.Cols, w.SizeBytes)
	case w.Cols > maxRow(w.Type):
		return nil, skip("hbm/%s: the GPU's kernels hold rows of up to %d elements, not %d", w.Kernel, maxRow(w.Type), w.Cols)
	}
	if err := widths(datasets.SuiteHBM, "a row of "+w.Kernel, w.Cols); err != nil {
		return nil, err
	}
	l := &layer{b: b, g: b.gpus[0], m: b.memory(), t: w.Type, kernelType: name, copies: 1}
	l.rowwise(w)
	l.uses("built-in")
	return l.newCase("")
}

// rowwise adds the operator's launch.
func (l *layer) rowwise(w datasets.Stream) {
	x := l.input(w.Rows, w.Cols)
	cols := int32(w.Cols)
	var y tensor
	// launched adds a launch and its check, by the reference of one row.
	launched := func(at cuda.Launch, want func(v *verification, r int64, row []float64) []float64, args ...any) {
		l.kernel("rowwise", l.name("bench_"+w.Kernel), at, fixed(append([]any{y.p, x.p}, args...)...))
		l.checked(func(v *verification, c int64) error {
			for _, r := range sample(w.Rows, sampledRows) {
				v.compare(v.row(y, 0, r), want(v, r, v.values(x, r*w.Cols, w.Cols)), 0, rowBound(l.t))
			}
			return v.err
		})
	}
	whole, vectors := blockPerRow(l.t, w.Rows, w.Cols), threadPerVector(w.Rows, w.Cols, vectorWidth(l.t))
	switch w.Kernel {
	case "rms_norm":
		y = l.rmsNorm(x, l.weight(1, w.Cols, 1))
	case "layer_norm":
		gain, bias := l.weight(1, w.Cols, 1), l.weight(1, w.Cols, 1)
		y = l.buffer(l.t, w.Rows, w.Cols)
		launched(whole, func(v *verification, _ int64, row []float64) []float64 {
			return reference.LayerNorm(row, v.values(gain, 0, w.Cols), v.values(bias, 0, w.Cols), normEpsilon)
		}, gain.p, bias.p, cols, float32(normEpsilon))
	case "softmax":
		y = l.buffer(l.t, w.Rows, w.Cols)
		launched(whole, func(_ *verification, _ int64, row []float64) []float64 { return reference.Softmax(row) }, cols)
	case "gelu":
		y = l.activate(x, w.Cols, false)
	case "silu_mul":
		up := l.input(w.Rows, w.Cols)
		y = l.buffer(l.t, w.Rows, w.Cols)
		launched(vectors, func(v *verification, r int64, row []float64) []float64 {
			return activated(append(row, v.values(up, r*w.Cols, w.Cols)...), w.Cols, true)
		}, up.p, cols, cols)
	case "add":
		y = l.add(x, l.input(w.Rows, w.Cols))
	case "rope":
		l.ropeRows(w, x)
	case "embedding":
		l.embedding(w, x)
	}
}

// ropeRows turns heads of 128, or one head a row where that does not divide it.
func (l *layer) ropeRows(w datasets.Stream, x tensor) {
	head := int64(128)
	if w.Cols%head != 0 {
		head = w.Cols
	}
	var table []byte
	for p := range int64(ropePositions) {
		table = append(table, angleTable(reference.Angles(p, int(head/2)))...)
	}
	angles, y := l.upload(table), l.buffer(l.t, w.Rows, w.Cols)
	l.kernel("rowwise", l.name("bench_rope"), threadPerVector(w.Rows, w.Cols/2, 4),
		fixed(y.p, x.p, angles, int32(w.Cols), int32(head), int32(ropePositions)))
	l.checked(func(v *verification, c int64) error {
		for _, r := range sample(w.Rows, sampledRows) {
			row, turn := v.values(x, r*w.Cols, w.Cols), reference.Angles(r%ropePositions, int(head/2))
			var want []float64
			for h := int64(0); h < w.Cols; h += head {
				want = append(want, reference.Rotate(row[h:h+head], turn)...)
			}
			v.compare(v.row(y, 0, r), want, 0, rowBound(l.t))
		}
		return v.err
	})
}

// embedding gathers every row of the table once, in a random order.
func (l *layer) embedding(w datasets.Stream, table tensor) {
	index := make([]int32, w.Rows)
	for i, p := range rand.New(rand.NewPCG(1, uint64(w.Rows))).Perm(int(w.Rows)) {
		index[i] = int32(p)
	}
	at, y := l.ints(index), l.buffer(l.t, w.Rows, w.Cols)
	l.kernel("rowwise", l.name("bench_embedding"), threadPerVector(w.Rows, w.Cols, vectorWidth(l.t)), fixed(y.p, table.p, at, int32(w.Cols)))
	l.checked(func(v *verification, c int64) error {
		for _, r := range sample(w.Rows, sampledRows) {
			v.compare(v.row(y, 0, r), v.values(table, int64(index[r])*w.Cols, w.Cols), 0, 0)
		}
		return v.err
	})
}
