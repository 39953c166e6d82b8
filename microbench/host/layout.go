package host

/*
#include "layer.h"
*/
import "C"

import (
	"math"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// layout places the matrices of one layer in a block of memory.
type layout struct {
	weight   C.int // WEIGHT_ of all of them
	bytes    int64
	matrices []C.matrix
}

// weightTypes are the types that weights and caches can have. Arithmetic is
// fp32 with either; bf16 is widened as it is read.
var weightTypes = map[datasets.DType]C.int{datasets.FP32: C.WEIGHT_F32, datasets.BF16: C.WEIGHT_BF16}

// matrix adds count matrices whose values have a standard deviation of scale.
func (l *layout) matrix(count, outputs, inputs int64, scale float64) C.matrix {
	m := C.matrix{offset: C.size_t(l.bytes), count: C.long(count), outputs: C.long(outputs), inputs: C.long(inputs),
		seed: C.uint32_t(len(l.matrices) + 1), scale: C.float(scale * math.Sqrt(3))}
	l.bytes += l.weights(count, outputs, inputs)
	l.matrices = append(l.matrices, m)
	return m
}

// weights is the bytes of count matrices.
func (l *layout) weights(count, outputs, inputs int64) int64 {
	size := int64(4)
	if l.weight == C.WEIGHT_BF16 {
		size = 2
	}
	return lineUp(count * wholePanels(outputs) * inputs * size)
}

// vector adds n fp32 values and returns their offset.
func (l *layout) vector(n int64) C.size_t {
	at := l.bytes
	l.bytes += lineUp(4 * n)
	return C.size_t(at)
}

func lineUp(bytes int64) int64 { return (bytes + 63) / 64 * 64 }

func wholePanels(n int64) int64 { return (n + C.PANEL - 1) / C.PANEL * C.PANEL }

// blocks is how many blocks a case rotates through, when each run touches that
// many bytes of one: enough that a block has left the last-level caches, twice
// their size, before its turn comes again.
func (b *Backend) blocks(cache datasets.Cache, touched float64) int64 {
	if cache == datasets.Hot {
		return 1
	}
	return max(1, int64(math.Ceil(2*b.lastLevelBytes()/touched)))
}

// lastLevelBytes is the last-level caches of all cores together, or a guess
// on the large side where the system does not tell.
func (b *Backend) lastLevelBytes() float64 {
	last := b.device.LastLevel()
	if last.SizeBytes.Value == 0 {
		return 64 << 20
	}
	instances := (len(b.cpus) + last.SharedBy - 1) / last.SharedBy
	return last.SizeBytes.Value * float64(instances)
}

// fill fills the copies of the layout at base.
func (l *layout) fill(t *team, o *operands, base unsafe.Pointer, copies int64) {
	a := argument[C.fill_arg](o)
	if o.dry || o.err != nil {
		return
	}
	a.base, a.stride, a.copies, a._type = (*C.char)(base), C.size_t(l.bytes), C.long(copies), l.weight
	a.matrices = C.int(copy(a.matrix[:], l.matrices))
	t.run(C.bench_kernel(C.fill_matrices), unsafe.Pointer(a), 1)
	a.copying = 1
	t.run(C.bench_kernel(C.fill_matrices), unsafe.Pointer(a), 1)
}

// layerCase is a case whose rows (sequences or tokens) are independent, so that
// some of them can be checked alone.
type layerCase struct {
	operands
	team   *team
	kernel C.bench_kernel
	arg    unsafe.Pointer
	check  *C.check_arg
	width  int64 // elements of a row of the result
	name   string
}

// checkedMACs bounds the reference's multiply-adds, for one core: about a
// fifth of a second.
const checkedMACs = 60e6

// sample prepares the check of as many rows as can be afforded, evenly spaced
// from the first to the last, and at least one.
func (c *layerCase) sample(rows int64, macsPerRow float64) {
	n := min(rows, max(1, int64(checkedMACs/macsPerRow)))
	c.check = argument[C.check_arg](&c.operands)
	c.check.count = C.long(n)
	list, found := array[C.long](&c.operands, n), array[C.row_check](&c.operands, n)
	if list == nil || found == nil {
		return
	}
	for i := range n {
		row := rows - 1
		if n > 1 {
			row = i * (rows - 1) / (n - 1)
		}
		unsafe.Slice(list, n)[i] = C.long(row)
	}
	c.check.rows, c.check.found = list, found
}

// bound is what the arithmetic may differ from a double-precision reference,
// relative to the root mean square of a row: 16 · sqrt(k) · 2^-24 for sums of k
// products (Higham and Mary, "A New Approach to Probabilistic Rounding Error
// Analysis", 2019, theorem 2.4, with λ = 4 for each of some four products in a
// row). A bf16 cache besides rounds the new key and value, which may fall to
// either side where the two differ in the last place: one part in 2^7.
func bound(longestSum int64, weight C.int) float64 {
	b := 16 * math.Sqrt(float64(longestSum)) * 0x1p-24
	if weight == C.WEIGHT_BF16 {
		b += 0x1p-7
	}
	return b
}

// Check runs once over spoilt memory and compares the sampled rows with a double-precision
// reference that takes the weights from their definition, not from memory.
func (c *layerCase) Check() (microbench.Check, error) {
	C.spoil_rows(c.check, C.team_ranks(c.team.c))
	c.team.run(c.kernel, c.arg, 1)
	return c.compare(), nil
}

// compare looks at the results as they are.
func (c *layerCase) compare() microbench.Check {
	c.team.run(C.bench_kernel(C.check_rows), unsafe.Pointer(c.check), 1)
	out := microbench.Check{Bound: float64(c.check.bound)}
	for _, r := range unsafe.Slice(c.check.found, c.check.count) {
		out.Checked += c.width
		out.Wrong += int64(r.wrong)
		// An expert that is not the router's choice is wrong however close the
		// numbers come out.
		if r.short_by > c.check.bound {
			out.Wrong++
		}
		out.MaxRelError = max(out.MaxRelError, float64(r.error), float64(r.short_by))
	}
	return out
}

// Batch runs n steps, each on the next copy of the weights.
func (c *layerCase) Batch(n int64) (microbench.Timing, error) {
	return c.team.batch(c.kernel, c.arg, n), nil
}

func (c *layerCase) Implementation() (name, version string) { return c.name, "" }

func (c *layerCase) Close() error {
	c.free()
	return nil
}

// implementation names the kernels by instruction set and type of weight.
func implementation(weight C.int) string {
	name := "built-in panel kernels, " + bestISA().String()
	if weight == C.WEIGHT_BF16 {
		name += ", bf16 widened to fp32"
	}
	return name
}
