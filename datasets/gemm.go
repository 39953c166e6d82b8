package datasets

import (
	"fmt"
	"unsafe"
)

// GEMM is C[m,n] = A[m,k] · B[k,n] (suite gemm, op "matmul"), A being the
// activations and B the weights; or, op "peak", Ops register-resident
// multiply-adds that measure the arithmetic ceiling itself.
type GEMM struct {
	Kernel string `col:"op" default:"matmul"`
	Type   DType  `col:"dtype"`
	M      int64  `col:"m" help:"rows of A: tokens (required)"`
	N      int64  `col:"n" help:"columns of B (required)"`
	K      int64  `col:"k" help:"columns of A (required)"`
	// Ops is the FLOP that a peak kernel issues on all workers, else 0.
	Ops   int64 `col:"ops_flop" key:"ops"`
	Ranks int   `col:"ranks"`
	Cache Cache `col:"cache" default:"hot" help:"hot (operands are used again and again) or cold"`
	// Format names a quantised form of the weights that has work of its own
	// ("fp8_block", "int4_wo", …), else "".
	Format string `col:"format" flag:"quantised" help:"quantised form of the weights, such as fp8_block"`
}

var gemmOperation = declare[GEMM](SuiteGEMM)

// Suite is gemm.
func (g GEMM) Suite() Suite { return SuiteGEMM }

// Op is Kernel.
func (g GEMM) Op() string { return g.Kernel }

// DType is the type of A and B.
func (g GEMM) DType() DType { return g.Type }

// Workers is Ranks.
func (g GEMM) Workers() int { return g.Ranks }

// FLOPs is 2·m·n·k for a product.
func (g GEMM) FLOPs() float64 {
	if g.Kernel == "peak" {
		return float64(g.Ops)
	}
	return 2 * float64(g.M) * float64(g.N) * float64(g.K)
}

// Bytes is A and B read once and C written once, each of its width (WidthsOf).
func (g GEMM) Bytes() float64 {
	m, n, k, w := float64(g.M), float64(g.N), float64(g.K), WidthsOf(g.Type, g.Format)
	return m*k*w.Activation + k*n*w.Weight + m*n*w.Result
}

// WireBytes is 0: the ranks of one product share its memory.
func (g GEMM) WireBytes() float64 { return 0 }

// Key names every field.
func (g GEMM) Key() string { return gemmOperation.key(g.Suite(), unsafe.Pointer(&g)) }

func (g GEMM) cells(c *cells) { gemmOperation.write(unsafe.Pointer(&g), c) }

// Validate says in one sentence what is wrong with the shape.
func (g GEMM) Validate() error {
	if g.Type.Size() == 0 {
		return fmt.Errorf("gemm: unknown data type %q", g.Type)
	}
	if err := g.Cache.validate("gemm"); err != nil {
		return err
	}
	switch g.Kernel {
	case "matmul":
		return positive("gemm", "m", g.M, "n", g.N, "k", g.K, "ranks", int64(g.Ranks))
	case "peak":
		return positive("gemm peak", "ops", g.Ops, "ranks", int64(g.Ranks))
	}
	return fmt.Errorf("gemm: unknown operation %q: use matmul or peak", g.Kernel)
}
