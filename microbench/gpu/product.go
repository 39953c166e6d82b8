package gpu

import (
	"errors"
	"fmt"
	"slices"

	"bench/cuda"
	"bench/cuda/cublaslt"
	"bench/cuda/kernels/reference"
	"bench/microbench"
)

// groupedTile is one of the shapes that grouped.cu is compiled for.
type groupedTile struct {
	rows, columns int64
	threads       int
	depth, stages int64
}

// groupedTiles from few rows an expert to many.
var groupedTiles = []groupedTile{{16, 64, 128, 64, 5}, {64, 128, 256, 32, 4}, {128, 128, 256, 32, 4}}

// The activations that end a grouped product (grouped.cu).
const (
	groupedPlain = iota
	// groupedSiLUMul takes gate and up from rows 2i and 2i+1 of the weights.
	groupedSiLUMul
	groupedGELU
)

// tileFor is the tile for a mean number of rows an expert: twice a tile's rows
// cost less in two tiles, whose weights the second finds in L2, than in one of
// which three quarters are empty.
func tileFor(rowsPerExpert int64) groupedTile {
	switch {
	case rowsPerExpert <= 16:
		return groupedTiles[0]
	case rowsPerExpert <= 96:
		return groupedTiles[1]
	}
	return groupedTiles[2]
}

func (t groupedTile) shared() int { return int(t.stages * (t.rows + t.columns) * (t.depth + 8) * 2) }

func (t groupedTile) String() string { return fmt.Sprintf("%dx%d", t.rows, t.columns) }

// rowsOf is which rows a grouped product works on, in the device's memory
// (bench_moe_plan).
type rowsOf struct {
	starts, tileExpert, tileRow, tiles, order, place cuda.Ptr
	// most is the most tiles that there can be.
	most, topK int64
	// check says which rows are compared.
	check func(v *verification) ([]checkedRow, error)
}

// checkedRow is a row of the product, the row of x that it is of, and the place
// of its expert's weights.
type checkedRow struct{ row, from, place int64 }

// grouped adds y[row] = activation(x[row]·Wᵀ of the row's expert).
func (l *layer) grouped(tile groupedTile, r rowsOf, x, w tensor, outputs int64, rows int64, activation int) tensor {
	width := outputs
	if activation == groupedSiLUMul {
		width /= 2
	}
	y := l.buffer(l.t, rows, width)
	l.kernel("grouped", l.name("bench_moe_experts")+"_"+tile.String(),
		cuda.Launch{Grid: [3]int{int(r.most), int(ceilDiv(outputs, tile.columns))}, Block: [3]int{tile.threads}, SharedBytes: tile.shared()},
		func(c int64) []any {
			return []any{y.p, x.at(c), w.at(c), r.starts, r.tileExpert, r.tileRow, r.tiles, r.order, r.place,
				int32(r.topK), int32(w.cols), int32(outputs), int32(activation)}
		})
	l.checked(func(v *verification, c int64) error {
		which, err := r.check(v)
		if err != nil {
			return err
		}
		for _, row := range which {
			l.checkProduct(v, c, v.row(x, c, row.from), w, row.place*outputs, v.row(y, 0, row.row), activation, 0)
		}
		return v.err
	})
	return y
}

// checkProduct compares some elements of a row, activation(x·Wᵀ) with the rows
// of w from `first` on. extra is the bound's for what else the product rounds.
func (l *layer) checkProduct(v *verification, c int64, x []float64, w tensor, first int64, y []float64, activation int, extra float64) {
	columns := sample(int64(len(y)), sampledColumns)
	sum := func(row int64) float64 { return reference.Dot(x, v.values(w, (first+row)*w.cols, w.cols)) }
	want := make([]float64, len(columns))
	bound := roundoff(l.t) + sumBound(w.cols) + extra
	for i, o := range columns {
		switch activation {
		case groupedSiLUMul:
			want[i] = reference.SiLU(sum(2*o)) * sum(2*o+1)
		case groupedGELU:
			want[i] = reference.GELU(sum(o))
		default:
			want[i] = sum(o)
		}
	}
	if activation != groupedPlain {
		// d(silu(g)·u) = silu'(g)·u·dg + silu(g)·du: with |g|, |u| up to 4 standard
		// deviations, 8 errors of a sum, against a root mean square of 0.5.
		bound += 16 * sumBound(w.cols)
	}
	v.compare(pick(y, columns), want, 0, bound)
}

// product adds y = x·Wᵀ by cuBLASLt and the fastest of its heuristics' proposals;
// by the built-in kernel where the library is missing or has no kernel for the
// product.
func (l *layer) product(x, w tensor) tensor {
	// After an error nothing is launched, but later steps still ask for the shape.
	none := tensor{t: l.t, rows: x.rows, cols: w.rows}
	if l.err != nil {
		return none
	}
	handle, err := l.g.cublasLt()
	if missing := (*microbench.SkipError)(nil); errors.As(err, &missing) {
		return l.builtinProduct(x, w)
	}
	if err != nil {
		l.err = err
		return none
	}
	spec := cublaslt.Product{M: x.rows, N: w.rows, K: w.cols, Type: string(l.t), TransposeB: true}
	plan, err := handle.Plan(spec, proposals)
	if declined(err) {
		return l.builtinProduct(x, w)
	}
	if err != nil {
		l.err = err
		return none
	}
	l.closers = append(l.closers, plan.Close)
	l.version = handle.Library().Version()
	y := l.buffer(l.t, x.rows, w.rows)
	enqueue := func(s *cuda.Stream, c int64) error { return plan.Enqueue(s, x.at(c), w.at(c), y.p, 1, 0) }
	if runs := l.choose(spec, plan, x, enqueue); !runs {
		return l.builtinProduct(x, w)
	}
	l.uses("cuBLASLt's fastest proposals")
	l.kernels = append(l.kernels, "cublasLtMatmul")
	l.steps = append(l.steps, enqueue)
	// Parts of a split sum may be rounded to the type before they are added.
	extra := 0.0
	if a := plan.Algorithms[plan.Use]; a.Reduction == reductionOutputType {
		extra = float64(a.SplitK) * roundoff(l.t)
	}
	l.checked(func(v *verification, c int64) error {
		for _, r := range sample(x.rows, sampledRows) {
			l.checkProduct(v, c, v.row(x, c, r), w, 0, v.row(y, 0, r), groupedPlain, extra)
		}
		return v.err
	})
	return y
}

// choose sets the plan to the algorithm that was the fastest when the first layer
// with this product was prepared, on the first GPU; it reports whether any runs.
func (l *layer) choose(spec cublaslt.Product, plan *cublaslt.Plan, x tensor, enqueue step) bool {
	if l.err != nil {
		return true
	}
	if best, ok := l.b.algorithms[spec]; ok {
		if plan.Use = slices.Index(plan.Algorithms, best); plan.Use >= 0 {
			return true
		}
		plan.Use = 0 // other proposals on another GPU
		if l.g != l.b.gpus[0] {
			return true
		}
	}
	// Nothing has written x yet, and random numbers draw the power that it will.
	if l.err = l.g.fill(x.p, x.t, x.rows*x.cols, 1, 1, l.b.options.Zeros); l.err != nil {
		return true
	}
	timed, err := l.b.fastest(plan, work{enqueue: func(s *cuda.Stream, i int64) error { return enqueue(s, i%l.copies) }, copies: l.copies})
	if l.err = err; err != nil {
		return true
	}
	if timed == 0 {
		return false
	}
	if l.b.algorithms == nil {
		l.b.algorithms = map[cublaslt.Product]cublaslt.Algorithm{}
	}
	l.b.algorithms[spec] = plan.Algorithms[plan.Use]
	return true
}

// reductionOutputType is CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE (cublasLt.h 12.4).
const reductionOutputType = 4

// builtinProduct is a grouped product of one expert.
func (l *layer) builtinProduct(x, w tensor) tensor {
	tile := tileFor(x.rows)
	tiles := ceilDiv(x.rows, tile.rows)
	first := make([]int32, tiles)
	for i := range first {
		first[i] = int32(int64(i) * tile.rows)
	}
	r := rowsOf{starts: l.ints([]int32{0, int32(x.rows)}), tileExpert: l.ints(make([]int32, tiles)), tileRow: l.ints(first),
		tiles: l.ints([]int32{int32(tiles)}), most: tiles, topK: 1}
	r.check = func(*verification) (rows []checkedRow, err error) {
		for _, i := range sample(x.rows, sampledRows) {
			rows = append(rows, checkedRow{i, i, 0})
		}
		return rows, nil
	}
	l.uses("built-in mma.sync products")
	return l.grouped(tile, r, x, w, w.rows, x.rows, groupedPlain)
}

// uses names what does a part of the work.
func (l *layer) uses(name string) {
	if !slices.Contains(l.names, name) {
		l.names = append(l.names, name)
	}
}
