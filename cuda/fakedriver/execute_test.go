package fakedriver_test

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/cuda/kernels"
	"bench/cuda/simt"
)

// compiled is the kernels' own source as a library for the host.
func compiled(t testing.TB) string {
	t.Helper()
	path, err := simt.Compile(false)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	ok(t, err)
	return path
}

// A launch runs the kernel's source where its work is not too large. Of a batch
// between two events only the time counts.
func TestLaunchesRunTheKernelsSource(t *testing.T) {
	c := open(t, fakedriver.Truth{SIMT: compiled(t), ExecuteLimit: 1 << 20, Write: 100e9, L2Bytes: 1, Kernel: 1e-6, HostLaunch: 1e-15})
	s := must[*cuda.Stream](t)(c.NewStream())
	f := must[*cuda.Function](t)(must[*cuda.Module](t)(kernels.Load(c, "fill")).Function("bench_fill_f32"))
	p := must[cuda.Ptr](t)(c.Alloc(8 << 20))
	launch := func(n int64, seed uint64) {
		ok(t, s.Launch(f, cuda.Launch{Grid: [3]int{4}, Block: [3]int{64}}, p, n, seed, float32(2)))
	}
	got := func() float64 {
		b := make([]byte, 4)
		ok(t, s.Sync())
		ok(t, c.ToHost(b, p+4*100))
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	launch(1000, 7)
	want := 2 * kernels.Value(7, 100)
	if v := got(); math.Abs(v-want) > 1e-6 {
		t.Errorf("element 100 is %g, want %g", v, want)
	}
	near(t, "two fills of 1 MB", elapsed(t, c, s, func() { launch(250e3, 8); launch(250e3, 8) }), 22e-6)
	if v := got(); math.Abs(v-want) > 1e-6 {
		t.Errorf("a timed launch changed element 100 to %g", v)
	}
	launch(2<<20, 9)
	if v := got(); math.Abs(v-want) > 1e-6 {
		t.Errorf("a launch of 8 MiB ran, to %g, beyond the limit of 1", v)
	}
}

func TestAWrongAnswerIsInjected(t *testing.T) {
	c := open(t, fakedriver.Truth{SIMT: compiled(t), Wrong: "bench_fill_f32:2"})
	s := must[*cuda.Stream](t)(c.NewStream())
	f := must[*cuda.Function](t)(must[*cuda.Module](t)(kernels.Load(c, "fill")).Function("bench_fill_f32"))
	p := must[cuda.Ptr](t)(c.Alloc(400))
	var got [3][400]byte
	for i := range got {
		ok(t, s.Launch(f, cuda.Launch{Block: [3]int{32}}, p, int64(100), uint64(1), float32(1)))
		ok(t, s.Sync())
		ok(t, c.ToHost(got[i][:], p))
	}
	if got[0] == got[1] || got[0] != got[2] {
		t.Error("the second answer should be wrong, and only that")
	}
}

// What touches memory that was never allocated loses the context.
func TestAnIllegalAddressIsSticky(t *testing.T) {
	c := open(t, fakedriver.Truth{SIMT: compiled(t)})
	s := must[*cuda.Stream](t)(c.NewStream())
	f := must[*cuda.Function](t)(must[*cuda.Module](t)(kernels.Load(c, "fill")).Function("bench_fill_f32"))
	p := must[cuda.Ptr](t)(c.Alloc(400))
	ok(t, s.Launch(f, cuda.Launch{}, p, int64(101), uint64(1), float32(1)))
	var e *cuda.Error
	if err := s.Sync(); !errors.As(err, &e) || e.Code != 700 || !e.Sticky() {
		t.Errorf("%v, want an illegal address", err)
	}
	if _, err := c.Alloc(1); err == nil {
		t.Error("the context still works")
	}
}

// A kernel that never ends leaves its stream unfinished.
func TestAKernelHangs(t *testing.T) {
	c := open(t, fakedriver.Truth{Hang: "bench_fill_f32:2"})
	s := must[*cuda.Stream](t)(c.NewStream())
	f := must[*cuda.Function](t)(must[*cuda.Module](t)(kernels.Load(c, "fill")).Function("bench_fill_f32"))
	p := must[cuda.Ptr](t)(c.Alloc(400))
	for i, want := range []bool{true, false, false} {
		ok(t, s.Launch(f, cuda.Launch{}, p, int64(100), uint64(1), float32(1)))
		if done, err := s.Query(); done != want || err != nil {
			t.Errorf("launch %d: done %v, %v", i, done, err)
		}
	}
}
