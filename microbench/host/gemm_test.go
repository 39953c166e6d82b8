package host

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"bench/datasets"
	"bench/microbench"
)

// Shapes around the tiles (6 and 12 rows; 4 to 32 columns; groups of 2 and 4
// k), the blocks (192 rows, 128 or 256 units of k, 1024 or 2048 columns), and
// the rows up to which B is read unpacked (8, 16, 32).
var gemmShapes = [][3]int64{
	{1, 1, 1}, {1, 5, 3}, {2, 33, 9}, {8, 40, 17}, {9, 31, 8}, {16, 65, 257}, {17, 1, 5}, {32, 70, 30}, {33, 64, 7},
	{12, 32, 4}, {36, 96, 16}, {37, 97, 15}, {193, 35, 31}, {40, 48, 515}, {35, 2061, 6}, {3, 2100, 11}, {8, 2113, 37}, {5, 130, 16}, {8, 64, 24},
}

// Every built-in kernel gives the right product for every awkward shape, on
// one rank and on several, and Check sees one wrong element.
func TestBuiltinGEMM(t *testing.T) {
	b := newTestBackend(t, 3)
	for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.BF16, datasets.INT8} {
		for _, isa := range isas() {
			kernel, name, err := builtinGEMM(d, isa)
			var skipped *microbench.SkipError
			if errors.As(err, &skipped) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range gemmShapes {
				w := datasets.GEMM{Kernel: "matmul", Type: d, M: s[0], N: s[1], K: s[2], Ranks: 1 + i%3, Cache: datasets.Hot}
				t.Run(fmt.Sprintf("%s/%s", name, w.Key()), func(t *testing.T) {
					c, err := b.prepareProduct(w, nil, kernel, name)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					checkProduct(t, c)
				})
			}
		}
	}
}

// checkProduct wants a right answer of every element and row, a second product
// on the same memory to be right too, and a changed element to be seen.
func checkProduct(t *testing.T, c *gemmCase) {
	t.Helper()
	want := c.w.M*c.w.N + c.w.M
	for range 2 {
		check, err := c.Check()
		if err != nil || check.Wrong != 0 || check.Checked != want || check.MaxRelError > check.Bound {
			t.Fatalf("Check() = %+v, %v, want %d checked, none wrong", check, err, want)
		}
	}
	// Wrong by the sign of the result's last element, which is not zero.
	at := c.w.M*c.w.N - 1
	switch c.w.Type {
	case datasets.FP64:
		unsafe.Slice((*float64)(unsafe.Pointer(c.work.c)), at+1)[at] *= -1
	case datasets.FP32:
		unsafe.Slice((*float32)(unsafe.Pointer(c.work.c)), at+1)[at] *= -1
	case datasets.BF16:
		unsafe.Slice((*uint16)(unsafe.Pointer(c.work.c)), at+1)[at] ^= 1 << 15
	case datasets.INT8:
		unsafe.Slice((*int32)(unsafe.Pointer(c.work.c)), at+1)[at]++
	}
	if check := c.compare(); check.Wrong < 1 || check.Wrong > 2 || check.MaxRelError == 0 {
		t.Errorf("with one element changed: %+v, want the element and its row wrong", check)
	}
}

// Where elements are only sampled, the test of rows sees one that is not among
// them.
func TestCheckSeesUnsampledElements(t *testing.T) {
	b := newTestBackend(t, 2)
	b.options.Library = "builtin"
	p, err := b.Prepare(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 70, N: 900, K: 600, Ranks: 2, Cache: datasets.Hot})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := p.(*gemmCase)
	c.work.check.samples = 4 // the corners
	if check, err := c.Check(); err != nil || check.Wrong != 0 || check.Checked != 4+70 {
		t.Fatalf("Check() = %+v, %v", check, err)
	}
	// 0.5 beside elements of about √600/3 = 8.
	unsafe.Slice((*float32)(unsafe.Pointer(c.work.c)), 70*900)[31*900+400] += 0.5
	if check := c.compare(); check.Wrong != 1 {
		t.Errorf("with one unsampled element changed: %+v, want 1 wrong", check)
	}
}

// Every library that is installed gives right products on as many threads as
// asked, or says why it cannot.
func TestLibraryGEMM(t *testing.T) {
	b := newTestBackend(t, 2)
	for _, name := range microbench.Libraries[1:5] {
		b.options.Library = name
		for _, d := range []datasets.DType{datasets.FP64, datasets.FP32, datasets.INT8} {
			for ranks := 1; ranks <= 2; ranks++ {
				t.Run(fmt.Sprintf("%s/%s/%d", name, d, ranks), func(t *testing.T) {
					p, err := b.Prepare(datasets.GEMM{Kernel: "matmul", Type: d, M: 33, N: 129, K: 65, Ranks: ranks, Cache: datasets.Cold})
					var skipped *microbench.SkipError
					if errors.As(err, &skipped) {
						t.Skip(err)
					}
					if err != nil {
						t.Fatal(err)
					}
					defer p.Close()
					if _, err := p.Batch(5); err != nil {
						t.Fatal(err)
					}
					if got, version := p.Implementation(); got != name || version == "" {
						t.Errorf("Implementation() = %q, %q", got, version)
					}
					checkProduct(t, p.(*gemmCase))
				})
			}
		}
	}
}

// Cold operands fill twice the last-level cache, each copy with data of its own.
func TestColdGEMM(t *testing.T) {
	b := newTestBackend(t, 2)
	b.device.Caches = []datasets.CacheLevel{{Level: 3, SizeBytes: datasets.Figure{Value: 1 << 20}}}
	b.options.Library = "builtin"
	w := datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 16, N: 100, K: 100, Ranks: 2, Cache: datasets.Cold}
	p, err := b.Prepare(w)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c := p.(*gemmCase)
	// A, B and C are 1,600, 10,000 and 1,600 floats, 52,800 bytes: 2 MiB hold
	// 39.7 of them.
	if c.work.copies != 40 {
		t.Errorf("%d copies, want 40", c.work.copies)
	}
	if _, err := p.Batch(40); err != nil {
		t.Fatal(err)
	}
	results := unsafe.Slice((*float32)(unsafe.Pointer(c.work.c)), 40*int64(c.work.c_stride)/4)
	seen := map[float32]bool{}
	for i := range int64(40) {
		seen[results[i*int64(c.work.c_stride)/4]] = true
	}
	if len(seen) != 40 || seen[0] {
		t.Errorf("40 iterations left %d different first elements, want 40", len(seen))
	}
	checkProduct(t, c)
}

// "auto" gives 8 rows to the built-in kernel and 9 to a library where one is
// installed; a name forces that one.
func TestLibraryByRows(t *testing.T) {
	b := newTestBackend(t, 1)
	large := "builtin"
	for _, name := range microbench.Libraries[1:5] {
		if openLibrary(name).usable(gemmTypes[datasets.FP32], 1) == nil {
			large = name
			break
		}
	}
	for _, c := range []struct {
		option string
		m      int64
		want   string
	}{{"", 1, "builtin"}, {"auto", 8, "builtin"}, {"auto", 9, large}, {large, 1, large}, {"builtin", 9, "builtin"}} {
		b.options.Library = c.option
		p, err := b.Prepare(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: c.m, N: 16, K: 16, Ranks: 1, Cache: datasets.Hot})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := p.Implementation(); got != c.want {
			t.Errorf("%q with %d rows runs %s, want %s", c.option, c.m, got, c.want)
		}
		p.Close()
	}
}

func TestGEMMRefuses(t *testing.T) {
	b := newTestBackend(t, 2)
	for _, w := range []datasets.GEMM{
		{Kernel: "matmul", Type: datasets.FP8, M: 8, N: 8, K: 8, Ranks: 1},
		{Kernel: "matmul", Type: datasets.FP32, M: 1 << 33, N: 1, K: 1, Ranks: 1},
		{Kernel: "matmul", Type: datasets.FP32, M: 1 << 20, N: 1 << 20, K: 1, Ranks: 1},
		{Kernel: "matmul", Type: datasets.BF16, M: 8, N: 8, K: 8, Ranks: 1, Format: "int4_wo"},
	} {
		_, err := b.Prepare(w)
		var skipped *microbench.SkipError
		if !errors.As(err, &skipped) {
			t.Errorf("Prepare(%s): %v, want a SkipError", w.Key(), err)
		}
	}
	b.options.Library = "atlas"
	if _, err := b.Prepare(datasets.GEMM{Kernel: "matmul", Type: datasets.FP32, M: 8, N: 8, K: 8, Ranks: 1}); err == nil {
		t.Error("an unknown library was accepted")
	}
}

// The products of one core, by the built-in kernels and by OpenBLAS where it is
// installed: one whose operands lie in the caches, and few rows against a B of
// memory, whose rate of reading is what bounds them.
func BenchmarkGEMM(b *testing.B) {
	back := newTestBackend(b, 2)
	for _, s := range [][3]int64{{1024, 1024, 1024}, {1, 4096, 16384}, {8, 4096, 16384}, {16, 4096, 16384}} {
		for _, d := range []datasets.DType{datasets.FP32, datasets.BF16, datasets.INT8} {
			for _, library := range []string{"openblas", "builtin"} {
				w := datasets.GEMM{Kernel: "matmul", Type: d, M: s[0], N: s[1], K: s[2], Ranks: 1, Cache: datasets.Hot}
				b.Run(library+"/"+w.Key(), func(b *testing.B) {
					back.options.Library = library
					c, err := back.Prepare(w)
					if err != nil {
						b.Skip(err)
					}
					defer c.Close()
					timing, err := c.Batch(int64(b.N))
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(w.FLOPs()*float64(b.N)/timing.Seconds/1e9, "GFLOP/s")
					b.ReportMetric(w.Bytes()*float64(b.N)/timing.Seconds/1e9, "GB/s")
				})
			}
		}
	}
}
