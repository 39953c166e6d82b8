package simt

import (
	"fmt"
	"strings"
	"testing"
)

// place is an element of a fragment: the thread that holds it and its number
// there, in registers' order, the lower half or byte first.
type place struct{ thread, element int }

// layout says where each element of a matrix lies, by row and column.
type layout [][]place

// lines are rows (or columns) of a figure of the PTX ISA, as "thread.element"
// along each. The figures give eight of them to each: the next line has the
// next four threads.
func lines(t *testing.T, first ...string) (out layout) {
	t.Helper()
	for _, text := range first {
		for next := range 8 {
			var line []place
			for _, f := range strings.Fields(text) {
				var p place
				if _, err := fmt.Sscanf(f, "%d.%d", &p.thread, &p.element); err != nil {
					t.Fatal(f, err)
				}
				p.thread += 4 * next
				line = append(line, p)
			}
			out = append(out, line)
		}
	}
	return out
}

// transposed is of a figure that was written by columns.
func (l layout) transposed() layout {
	out := make(layout, len(l[0]))
	for _, line := range l {
		for i, p := range line {
			out[i] = append(out[i], p)
		}
	}
	return out
}

// fragments has the elements of matrix where each thread has them, each thread `each`.
func fragments[T any](l layout, threads, each int, matrix func(row, column int) T) []T {
	out := make([]T, threads*each)
	for r, line := range l {
		for c, p := range line {
			out[p.thread*each+p.element] = matrix(r, c)
		}
	}
	return out
}

// tensorCore is an instruction's shape and fragments: PTX ISA 8.5, section
// 9.7.14.4, "Matrix multiply-accumulate operation using mma instruction", by
// the figures of the subsection that each names.
type tensorCore struct {
	kernel, section string
	a, b, d         layout
}

func tensorCores(t *testing.T) []tensorCore {
	// C and D are the same in all of 16 × 8: row 0, row 8.
	d := lines(t, "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1", "0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3")
	a16 := lines(t,
		"0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1  0.4 0.5 1.4 1.5 2.4 2.5 3.4 3.5",
		"0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3  0.6 0.7 1.6 1.7 2.6 2.7 3.6 3.7")
	b16 := lines(t, "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1  0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3").transposed()
	return []tensorCore{
		{"m16n8k16_bf16", "Matrix Fragments for mma.m16n8k16 with floating point type", a16, b16, d},
		{"m16n8k16_fp16", "Matrix Fragments for mma.m16n8k16 with floating point type", a16, b16, d},
		{"m16n8k8_tf32", "Matrix Fragments for mma.m16n8k8, .tf32",
			lines(t, "0.0 1.0 2.0 3.0  0.2 1.2 2.2 3.2", "0.1 1.1 2.1 3.1  0.3 1.3 2.3 3.3"),
			lines(t, "0.0 1.0 2.0 3.0  0.1 1.1 2.1 3.1").transposed(), d},
		{"m16n8k32_s8", "Matrix Fragments for mma.m16n8k32, .s8",
			lines(t,
				"0.0 0.1 0.2 0.3 1.0 1.1 1.2 1.3 2.0 2.1 2.2 2.3 3.0 3.1 3.2 3.3  0.8 0.9 0.10 0.11 1.8 1.9 1.10 1.11 2.8 2.9 2.10 2.11 3.8 3.9 3.10 3.11",
				"0.4 0.5 0.6 0.7 1.4 1.5 1.6 1.7 2.4 2.5 2.6 2.7 3.4 3.5 3.6 3.7  0.12 0.13 0.14 0.15 1.12 1.13 1.14 1.15 2.12 2.13 2.14 2.15 3.12 3.13 3.14 3.15"),
			lines(t, "0.0 0.1 0.2 0.3 1.0 1.1 1.2 1.3 2.0 2.1 2.2 2.3 3.0 3.1 3.2 3.3  0.4 0.5 0.6 0.7 1.4 1.5 1.6 1.7 2.4 2.5 2.6 2.7 3.4 3.5 3.6 3.7").transposed(), d},
		{"m8n8k4_f64", "Matrix Fragments for mma.m8n8k4 with .f64",
			lines(t, "0.0 1.0 2.0 3.0"), lines(t, "0.0 1.0 2.0 3.0").transposed(),
			lines(t, "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1")},
		{"m16n8k16_f64", "Matrix Fragments for mma.m16n8k16 with .f64",
			lines(t,
				"0.0 1.0 2.0 3.0  0.2 1.2 2.2 3.2  0.4 1.4 2.4 3.4  0.6 1.6 2.6 3.6",
				"0.1 1.1 2.1 3.1  0.3 1.3 2.3 3.3  0.5 1.5 2.5 3.5  0.7 1.7 2.7 3.7"),
			lines(t, "0.0 1.0 2.0 3.0  0.1 1.1 2.1 3.1  0.2 1.2 2.2 3.2  0.3 1.3 2.3 3.3").transposed(), d},
	}
}

// warpgroupD is the 64 × 256 result of wgmma: "Register Fragments for
// wgmma.mma_async.m64nNk16", figure of matrix D: the figure's eight columns go
// on with the next four registers, its sixteen rows with the next warp.
func warpgroupD(t *testing.T) layout {
	corner := lines(t, "0.0 0.1 1.0 1.1 2.0 2.1 3.0 3.1", "0.2 0.3 1.2 1.3 2.2 2.3 3.2 3.3")
	out := make(layout, 64)
	for r := range out {
		for c := range 256 {
			p := corner[r%16][c%8]
			out[r] = append(out[r], place{p.thread + 32*(r/16), p.element + 4*(c/8)})
		}
	}
	return out
}

// A table that names a register twice, or none, proves nothing.
func TestLayoutsAreWhole(t *testing.T) {
	check := func(name string, l layout, threads int) {
		seen := map[place]bool{}
		for _, line := range l {
			for _, p := range line {
				if seen[p] || p.thread < 0 || p.thread >= threads {
					t.Errorf("%s: %v comes twice, or is of no thread", name, p)
				}
				seen[p] = true
			}
		}
		for p := range seen {
			if p.element >= len(seen)/threads {
				t.Errorf("%s: %v of %d elements a thread", name, p, len(seen)/threads)
			}
		}
	}
	for _, c := range tensorCores(t) {
		check(c.kernel+" A", c.a, 32)
		check(c.kernel+" B", c.b, 32)
		check(c.kernel+" D", c.d, 32)
	}
	check("wgmma D", warpgroupD(t), 128)
}
