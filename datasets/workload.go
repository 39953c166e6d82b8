package datasets

import "fmt"

// Suite names a family of workloads.
type Suite string

// The suites. SuitePrefill holds imported prefill-attention kernels only, and
// SuiteServe imported measurements of whole services.
const (
	SuiteHBM       Suite = "hbm"
	SuiteGEMM      Suite = "gemm"
	SuiteAllReduce Suite = "allreduce"
	SuiteDecode    Suite = "decode"
	SuiteMoE       Suite = "moe"
	SuitePrefill   Suite = "prefill"
	SuiteServe     Suite = "serve"
)

// Suites lists the suites that bench run can measure, in the order in which it
// measures them.
var Suites = []Suite{SuiteHBM, SuiteGEMM, SuiteAllReduce, SuiteDecode, SuiteMoE}

// operations lists every workload type. A row's suite and op find its type; the
// columns of the Parquet form follow in this order.
var operations = []*Operation{
	streamOperation, gemmOperation, collectiveOperation, attentionOperation, mlaOperation,
	layerOperation, passOperation, moeOperation, serveOperation,
}

// Cache is the state in which a workload finds its operands.
type Cache string

// Cold operands rotate through more memory than the last-level cache; hot ones
// are used again and again, so that what fits a cache stays in it.
const (
	Hot  Cache = "hot"
	Cold Cache = "cold"
)

// Workload is what is to be done, and knows its own arithmetic. Its dynamic
// type is one of those in operations. It says nothing of how or how fast.
// Compare workloads by Key: == panics on those with a recorded trace.
type Workload interface {
	// Suite is the family that the operation belongs to.
	Suite() Suite
	// Op is the operation within the suite, such as "triad" or "all_reduce".
	Op() string
	// DType is the type of the operands, "" where there are none.
	DType() DType
	// Workers is how many cores of a CPU or how many GPUs take part.
	Workers() int
	// FLOPs is the useful arithmetic of all workers together.
	FLOPs() float64
	// Bytes is the least traffic with memory of all workers together: every
	// operand read once, every result written once.
	Bytes() float64
	// WireBytes is the least that one rank must send to others.
	WireBytes() float64
	// Key is stable text that is equal for equal workloads and for no others.
	Key() string
	// Validate says in one sentence what is wrong with the shape.
	Validate() error

	cells(*cells)
}

// Intensity is a workload's arithmetic intensity in FLOP a byte (Williams,
// Waterman and Patterson, "Roofline", CACM 52(4), 2009), and 0 where no bytes
// move.
func Intensity(w Workload) float64 { return intensity(w.FLOPs(), w.Bytes()) }

func intensity(flop, bytes float64) float64 {
	if bytes > 0 {
		return flop / bytes
	}
	return 0
}

func (c Cache) validate(what string) error {
	switch c {
	case "", Hot, Cold:
		return nil
	}
	return fmt.Errorf("%s: unknown cache state %q: use %s or %s", what, c, Hot, Cold)
}

// CacheOf is the cache state that a workload asks for, "" where it has none.
func CacheOf(w Workload) Cache {
	switch w := w.(type) {
	case GEMM:
		return w.Cache
	case Attention:
		return w.Cache
	case DecodeLayer:
		return w.Cache
	case MoELayer:
		return w.Cache
	}
	return ""
}

// TokensOf is how many tokens a workload takes, 0 where that is no measure of it.
func TokensOf(w Workload) float64 {
	switch w := w.(type) {
	case DecodeLayer:
		return float64(w.Batch)
	case Attention:
		return float64(w.Batch) * float64(w.QueryTokens)
	case ModelPass:
		return float64(w.QueryTokens)
	case MoELayer:
		return float64(w.Tokens)
	}
	return 0
}

// positive reports the first value that is not above zero, as name, value
// pairs.
func positive(what string, named ...any) error {
	for i := 0; i < len(named); i += 2 {
		if v := named[i+1].(int64); v <= 0 {
			return fmt.Errorf("%s: %s is %d, and must be at least 1", what, named[i], v)
		}
	}
	return nil
}
