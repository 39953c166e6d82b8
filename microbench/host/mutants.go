//go:build mutants

package host

// extern int bench_mutant;
import "C"

// setMutant chooses the mutation that the kernels make, 0 being none. Only a
// build of the mutated sources has any (mutations_test.go).
func setMutant(n int) { C.bench_mutant = C.int(n) }
