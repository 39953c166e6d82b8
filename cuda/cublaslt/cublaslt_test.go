package cublaslt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/cuda/kernels"
)

// simulated is the library on device 0 of a simulated H100.
func simulated(t *testing.T) (*cuda.Context, *Handle) {
	t.Helper()
	return simulatedOn(t, fakedriver.Truth{Major: 9})
}

func simulatedOn(t *testing.T, truth fakedriver.Truth) (*cuda.Context, *Handle) {
	t.Helper()
	t.Setenv("BENCH_LIBCUBLASLT", fakedriver.CUBLASLt(t, truth))
	d, err := cuda.Open(fakedriver.Driver(t, truth))
	if err != nil {
		t.Fatal(err)
	}
	device, err := d.Device(0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := device.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close() })
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	h, err := l.NewHandle(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return ctx, h
}

// encode writes small integers, which every type holds.
func encode(kind string, v []int) (out []byte) {
	le := binary.LittleEndian
	for _, x := range v {
		switch kind {
		case "fp64":
			out = le.AppendUint64(out, math.Float64bits(float64(x)))
		case "bf16":
			out = le.AppendUint16(out, kernels.BF16(float32(x)))
		case "fp16":
			out = le.AppendUint16(out, kernels.FP16(float32(x)))
		case "fp8":
			out = append(out, kernels.FP8(float32(x)))
		case "int8":
			out = append(out, byte(int8(x)))
		case "int32":
			out = le.AppendUint32(out, uint32(int32(x)))
		default:
			out = le.AppendUint32(out, math.Float32bits(float32(x)))
		}
	}
	return out
}

// Row-major operands, transposed or not, come out as the row-major product: the
// order of the operands, the transposes, the leading dimensions and the numbers
// of the types are what the header's documentation asks for. M, N and K differ, so
// that no two of them can stand for each other.
func TestProductsOfEveryTypeAndTranspose(t *testing.T) {
	ctx, h := simulated(t)
	stream, err := ctx.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{"fp8": "bf16", "int8": "int32"}
	for kind := range types {
		for transposed := range 4 {
			p := Product{M: 4, N: 8, K: 16, Type: kind, TransposeA: transposed&1 != 0, TransposeB: transposed&2 != 0}
			name := fmt.Sprintf("%s/A^%v/B^%v", kind, p.TransposeA, p.TransposeB)
			a, b := make([]int, p.M*p.K), make([]int, p.K*p.N)
			for i := range a {
				a[i] = i*i%7 - 3
			}
			for i := range b {
				b[i] = i*i%5 - 2
			}
			at := func(v []int, rows, cols, i, j int64, transposed bool) int {
				if transposed {
					return v[j*rows+i]
				}
				return v[i*cols+j]
			}
			before, want := make([]int, p.M*p.N), make([]int, p.M*p.N)
			for i := range p.M {
				for j := range p.N {
					before[i*p.N+j] = int(i - j)
					sum := 0
					for k := range p.K {
						sum += at(a, p.M, p.K, i, k, p.TransposeA) * at(b, p.K, p.N, k, j, p.TransposeB)
					}
					want[i*p.N+j] = 2*sum - int(i-j)
				}
			}
			plan, err := h.Plan(p, 8)
			if (kind == "fp8" || kind == "int8") && (p.TransposeA || !p.TransposeB) {
				if e := (*Error)(nil); !errors.As(err, &e) || !e.NotSupported() {
					t.Errorf("%s: %v, and only a plain A and a transposed B are supported", name, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			outKind := kind
			if o := out[kind]; o != "" {
				outKind = o
			}
			upload := func(raw []byte) cuda.Ptr {
				ptr, err := ctx.Alloc(int64(len(raw)))
				if err != nil {
					t.Fatal(err)
				}
				if err := ctx.ToDevice(ptr, raw); err != nil {
					t.Fatal(err)
				}
				return ptr
			}
			wantRaw := encode(outKind, want)
			pa, pb := upload(encode(kind, a)), upload(encode(kind, b))
			for i := range plan.Algorithms {
				plan.Use = i
				pc := upload(encode(outKind, before))
				if err := plan.Enqueue(stream, pa, pb, pc, 2, -1); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if err := stream.Sync(); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(wantRaw))
				if err := ctx.ToHost(got, pc); err != nil {
					t.Fatal(err)
				}
				if string(got) != string(wantRaw) {
					t.Errorf("%s, algorithm %d: got % x, want % x", name, i, got, wantRaw)
				}
			}
			if len(plan.Algorithms) != 3 {
				t.Errorf("%s: %d algorithms, want the 3 that the stand-in has", name, len(plan.Algorithms))
			}
			if err := plan.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestScalesMultiplyFP8(t *testing.T) {
	ctx, h := simulated(t)
	stream, err := ctx.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	buffer, err := ctx.Alloc(4096)
	if err != nil {
		t.Fatal(err)
	}
	put := func(at cuda.Ptr, raw []byte) {
		if err := ctx.ToDevice(buffer+at, raw); err != nil {
			t.Fatal(err)
		}
	}
	ones := make([]int, 16*16)
	for i := range ones {
		ones[i] = 1
	}
	put(0, encode("fp32", []int{4}))
	put(256, encode("fp32", []int{3}))
	put(512, encode("fp8", ones))
	plan, err := h.Plan(Product{M: 16, N: 16, K: 16, Type: "fp8", TransposeB: true, ScaleA: buffer, ScaleB: buffer + 256}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	if err := plan.Enqueue(stream, buffer+512, buffer+512, buffer+1024, 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := stream.Sync(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if err := ctx.ToHost(got, buffer+1024); err != nil {
		t.Fatal(err)
	}
	if v := kernels.FromBF16(binary.LittleEndian.Uint16(got)); v != 16*4*3 {
		t.Errorf("16 ones scaled by 4 and 3 are %v, want 192", v)
	}
}

// By hand: sums that the result's type does not hold are rounded once, to nearest,
// ties to even. From 256 on bf16 goes by steps of 2, and from 2048 on fp16; the others
// hold every sum here.
func TestResultsAreRoundedOnce(t *testing.T) {
	ctx, h := simulated(t)
	stream, err := ctx.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	put := func(raw []byte) cuda.Ptr {
		p, err := ctx.Alloc(int64(len(raw)))
		if err == nil {
			err = ctx.ToDevice(p, raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const k = 16
	for _, c := range []struct {
		kind, out string
		term      int    // 15 times in each column of B, whose rows are multiplied by ones
		last      [4]int // and this once
		want      []int
	}{
		{"bf16", "bf16", 18, [4]int{2, 1, 3, 5}, []int{272, 272, 272, 276}},
		{"fp8", "bf16", 18, [4]int{2, 1, 3, 5}, []int{272, 272, 272, 276}},
		{"fp16", "fp16", 137, [4]int{1, 2, 4, 8}, []int{2056, 2056, 2060, 2064}},
		{"fp32", "fp32", 137, [4]int{1, 2, 4, 8}, []int{2056, 2057, 2059, 2063}},
		{"tf32", "fp32", 137, [4]int{1, 2, 4, 8}, []int{2056, 2057, 2059, 2063}},
		{"fp64", "fp64", 137, [4]int{1, 2, 4, 8}, []int{2056, 2057, 2059, 2063}},
		{"int8", "int32", 100, [4]int{1, 2, 4, 8}, []int{1501, 1502, 1504, 1508}},
	} {
		a, b := make([]int, 4*k), make([]int, 4*k)
		for i := range b {
			a[i], b[i] = 1, c.term
			if i%k == k-1 {
				b[i] = c.last[i/k]
			}
		}
		plan, err := h.Plan(Product{M: 4, N: 4, K: k, Type: c.kind, TransposeB: true}, 1)
		if err != nil {
			t.Fatalf("%s: %v", c.kind, err)
		}
		want := encode(c.out, append(append(append(append([]int{}, c.want...), c.want...), c.want...), c.want...))
		got := make([]byte, len(want))
		out := put(got)
		err = plan.Enqueue(stream, put(encode(c.kind, a)), put(encode(c.kind, b)), out, 1, 0)
		if err = errors.Join(err, stream.Sync(), ctx.ToHost(got, out), plan.Close()); err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: got % x, want % x", c.kind, got, want)
		}
	}
}

// Where the heuristics have nothing the error says so, and is NotSupported, so that the
// built-in kernels take over: fp8 before compute capability 8.9, and 8-bit operands
// whose rows are no whole 16 bytes. As many algorithms as were asked for come, of those
// whose workspace there is.
func TestHeuristicsWithoutAnAlgorithm(t *testing.T) {
	_, h := simulated(t)
	_, old := simulatedOn(t, fakedriver.Truth{Major: 8})
	for _, c := range []struct {
		h *Handle
		p Product
	}{
		{old, Product{M: 16, N: 16, K: 16, Type: "fp8", TransposeB: true}},
		{h, Product{M: 16, N: 16, K: 15, Type: "fp8", TransposeB: true}},
		{h, Product{M: 16, N: 15, K: 16, Type: "int8", TransposeB: true}},
		{h, Product{M: 16, N: 16, K: 16, Type: "int8"}},
	} {
		_, err := c.h.Plan(c.p, 8)
		if e := (*Error)(nil); !errors.As(err, &e) || !e.NotSupported() || e.Call != "cublasLtMatmulAlgoGetHeuristic" {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
	for asked, want := range map[int]int{0: 1, 1: 1, 2: 2, 8: 3} {
		plan, err := h.Plan(Product{M: 16, N: 16, K: 16, Type: "bf16"}, asked)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Algorithms) != want {
			t.Errorf("%d algorithms of %d asked for, want %d", len(plan.Algorithms), asked, want)
		}
		plan.Close()
	}
}

func TestAlgorithmIsNamed(t *testing.T) {
	_, h := simulated(t)
	plan, err := h.Plan(Product{M: 128, N: 256, K: 64, Type: "bf16", TransposeB: true}, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	want := "algorithm 2, tile 128x256, stages 64x6, split-K 1, cluster 2, inner 0, custom 0, swizzle 0, workspace 1048576 bytes"
	if got := plan.Algorithms[2].String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got := (Algorithm{ID: 66, Tile: 631, Stages: -1, SplitK: 1}).String(); !strings.Contains(got, "tile 631, stages -1") {
		t.Errorf("%s does not give what it cannot name by number", got)
	}
	if h.Library().Version() != "12.4.5" {
		t.Errorf("version %s", h.Library().Version())
	}
}

func TestBadProducts(t *testing.T) {
	_, h := simulated(t)
	for want, p := range map[string]Product{
		"multiplies no int4 here": {M: 1, N: 1, K: 1, Type: "int4"},
		"0 x 1 x 1":               {N: 1, K: 1, Type: "bf16"},
		"1 x 2147483648 x 1":      {M: 1, N: 1 << 31, K: 1, Type: "bf16"},
	} {
		if _, err := h.Plan(p, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestMissingSymbolIsNamed(t *testing.T) {
	t.Setenv("BENCH_LIBCUBLASLT", fakedriver.CUBLASLt(t, fakedriver.Truth{Major: 9}, "cublasLtMatmul"))
	_, err := Open()
	if missing := (*cuda.MissingError)(nil); !errors.As(err, &missing) || !strings.Contains(err.Error(), "cublasLtMatmul") {
		t.Errorf("%v does not name the missing function", err)
	}
}

// realLibrary is NVIDIA's own, where it has been brought.
const realLibrary = "/opt/cuda-tools/usr/lib/x86_64-linux-gnu/libcublasLt.so.12"

// The real library has every symbol, and refuses a machine without a GPU in one
// sentence. It runs in a process of its own: half a gigabyte is mapped for it, and
// it keeps threads.
func TestRealLibraryWithoutDevice(t *testing.T) {
	if os.Getenv("BENCH_REAL_CUBLASLT") == "" {
		if _, err := os.Stat(realLibrary); err != nil {
			t.Skip("no " + realLibrary + ": /work/shared/bin/cuda-tools brings it")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestRealLibraryWithoutDevice$", "-test.v")
		cmd.Env = append(os.Environ(), "BENCH_REAL_CUBLASLT=1", "BENCH_LIBCUBLASLT="+realLibrary)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	l, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(l.Version(), "12.") || filepath.Dir(l.Path()) != filepath.Dir(realLibrary) {
		t.Errorf("version %s of %s", l.Version(), l.Path())
	}
	if _, err := os.Stat("/proc/driver/nvidia/version"); err == nil { // the device files say nothing: libcuda itself makes them
		t.Skip("this machine has a GPU")
	}
	if err := l.refuses(); err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "cublasLtCreate: CUBLAS_STATUS_") {
		t.Errorf("without a GPU: %v", err)
	} else {
		t.Log(err)
	}
}
