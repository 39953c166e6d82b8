package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Peak is a kernel that does nothing but multiply and add on registers or shared
// memory: the ceiling of a type's arithmetic. In one pass each of Tiles results of
// a block gains A·B, with A of Rows × K and B of K × Columns, the same for all.
//
// Its arguments are the results (float, int32 for int8, double for fp64:
// [blocks][Tiles][Rows][Columns]), A, B and the number of passes, as an int32.
type Peak struct {
	// File and Kernel name the kernel, Instruction what it issues.
	File, Kernel, Instruction string
	// Type is "fp16", "bf16", "tf32", "fp32", "fp64", "fp8" or "int8".
	Type string
	// Threads of a block, and blocks that fill an SM.
	Threads, BlocksPerSM int
	Tiles, Rows, Columns int
	K                    int
	// step is the K of one instruction.
	step int
	// restart is after how many passes the sums begin anew, or 0.
	restart int
	// largest is the largest operand, an integer.
	largest int
}

// PeakFor is the kernel that reaches the ceiling of a type on a compute
// capability, from 8.0 on: wgmma on 9.0, mma.sync elsewhere, and fused
// multiply-adds outside the tensor cores for fp32. There is none for other types,
// nor for fp8 outside 9.0.
func PeakFor(dtype string, major, minor int) (Peak, bool) {
	hopper := major == 9 && minor == 0
	if p, ok := wgmmaPeaks[dtype]; ok && hopper {
		return p, true
	}
	p, ok := mmaPeaks[dtype]
	if dtype == "fp64" && hopper {
		p.Kernel, p.Instruction = "bench_peak_mma_fp64_sm90", "mma.sync m16n8k16"
	}
	return p, ok && major >= 8
}

var wgmmaPeaks, mmaPeaks = func() (w, m map[string]Peak) {
	w, m = map[string]Peak{}, map[string]Peak{}
	for _, t := range []struct {
		name           string
		bytes, largest int
	}{{"bf16", 2, 15}, {"fp16", 2, 15}, {"tf32", 4, 15}, {"fp8", 1, 7}, {"int8", 1, 127}} {
		w[t.name] = Peak{File: "peak_wgmma", Kernel: "bench_peak_wgmma_" + t.name, Type: t.name,
			Instruction: fmt.Sprintf("wgmma m64n256k%d", 32/t.bytes),
			Threads:     256, BlocksPerSM: 1, Tiles: 2, Rows: 64, Columns: 256, K: 128 / t.bytes, step: 32 / t.bytes, restart: 32, largest: t.largest}
		if t.name != "fp8" {
			m[t.name] = Peak{File: "peak_mma", Kernel: "bench_peak_mma_" + t.name, Type: t.name,
				Instruction: fmt.Sprintf("mma.sync m16n8k%d", 32/t.bytes),
				Threads:     256, BlocksPerSM: 2, Tiles: 8, Rows: 16, Columns: 64, K: 32 / t.bytes, step: 32 / t.bytes, largest: t.largest}
		}
	}
	m["fp64"] = Peak{File: "peak_f64", Kernel: "bench_peak_mma_fp64", Type: "fp64", Instruction: "mma.sync m8n8k4",
		Threads: 256, BlocksPerSM: 1, Tiles: 8, Rows: 16, Columns: 64, K: 16, step: 4, largest: 1000}
	m["fp32"] = Peak{File: "peak_vector", Kernel: "bench_peak_vector_fp32", Type: "fp32", Instruction: "fma.rn.f32",
		Threads: 256, BlocksPerSM: 4, Tiles: 1, Rows: 256, Columns: 16, K: 1, largest: 15}
	return w, m
}()

// FLOPs is what one pass of one block is.
func (p Peak) FLOPs() int64 {
	return 2 * int64(p.Tiles) * int64(p.Rows) * int64(p.Columns) * int64(p.K)
}

// MaxPasses is how many passes leave every sum exact in its type.
func (p Peak) MaxPasses() int64 {
	switch {
	case p.Type == "fp64":
		return math.MaxInt32
	case p.restart > 0:
		return math.MaxInt32 - 1 // the kernel counts in twos
	case p.K == 1:
		return 1 << 24 / int64(p.largest)
	case p.Type == "int8":
		return math.MaxInt32 / int64(largestDifference*p.largest)
	}
	return 1 << 24 / int64(largestDifference*p.largest)
}

// largestDifference is by how much the first pair of B's rows differs at most.
const largestDifference = 3

// operands are integers, A and the transpose of B by rows: A's columns come in
// equal pairs and B's rows in pairs of opposite sign, but for the first pair of
// each instruction, which differ by a number of their own for each column and
// instruction. So the products are as good as random, while an instruction adds no
// more than largestDifference columns of A: sums grow slowly, and a missing, doubled
// or misplaced product or instruction is seen.
func (p Peak) operands() (a, b []int) {
	draw := func(seed uint64, i, largest int) int {
		return int(math.Round(Value(seed, int64(i)) * float64(largest)))
	}
	a, b = make([]int, p.Rows*p.K), make([]int, p.Columns*p.K)
	if p.K == 1 { // fma: A is the factor 1
		for i := range a {
			a[i] = 1
		}
		for i := range b {
			b[i] = draw(2, i, p.largest)
		}
		return a, b
	}
	for i := range a {
		a[i] = draw(1, i/2, p.largest)
	}
	for j := range p.Columns {
		row := b[j*p.K : (j+1)*p.K]
		for k := 0; k < p.K; k += 2 {
			row[k] = draw(2, j*p.K+k, p.largest-largestDifference)
			row[k+1] = -row[k]
			if k%p.step == 0 {
				row[k+1] += [2 * largestDifference]int{-3, -2, -1, 1, 2, 3}[hash(3, uint64(j*p.K+k))%(2*largestDifference)]
			}
		}
	}
	return a, b
}

// Operands are A and B as the kernel takes them.
func (p Peak) Operands() (a, b []byte) {
	ia, ib := p.operands()
	if p.K == 1 {
		ia = ia[:1]
	}
	return p.encode(ia), p.encode(ib)
}

func (p Peak) encode(v []int) (out []byte) {
	le := binary.LittleEndian
	for _, x := range v {
		switch p.Type {
		case "fp64":
			out = le.AppendUint64(out, math.Float64bits(float64(x)))
		case "bf16":
			out = le.AppendUint16(out, BF16(float32(x)))
		case "fp16":
			out = le.AppendUint16(out, FP16(float32(x)))
		case "fp8":
			out = append(out, FP8(float32(x)))
		case "int8":
			out = append(out, byte(int8(x)))
		default:
			out = le.AppendUint32(out, math.Float32bits(float32(x)))
		}
	}
	return out
}

// Want is one tile of the result after so many passes, exactly.
func (p Peak) Want(passes int64) []float64 {
	if p.restart > 0 && passes > 0 {
		passes = (passes-1)%int64(p.restart) + 1
	}
	a, b := p.operands()
	out := make([]float64, p.Rows*p.Columns)
	for i := range p.Rows {
		for j := range p.Columns {
			sum := 0
			for k := range p.K {
				sum += a[i*p.K+k] * b[j*p.K+k]
			}
			out[i*p.Columns+j] = float64(sum) * float64(passes)
		}
	}
	return out
}

// OutSize is the bytes of one element of the result.
func (p Peak) OutSize() int {
	if p.Type == "fp64" {
		return 8
	}
	return 4
}

// Wrong counts the elements of the results of whole tiles that are not what they
// must be after so many passes.
func (p Peak) Wrong(results []byte, passes int64) (wrong, checked int64) {
	want := p.Want(passes)
	size := p.OutSize()
	for i := 0; (i+1)*size <= len(results); i++ {
		var got float64
		switch bits := results[i*size:]; p.Type {
		case "fp64":
			got = math.Float64frombits(binary.LittleEndian.Uint64(bits))
		case "int8":
			got = float64(int32(binary.LittleEndian.Uint32(bits)))
		default:
			got = float64(math.Float32frombits(binary.LittleEndian.Uint32(bits)))
		}
		checked++
		if got != want[i%len(want)] {
			wrong++
		}
	}
	return wrong, checked
}
