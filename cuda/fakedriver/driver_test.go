package fakedriver_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"bench/cuda"
	"bench/cuda/fakedriver"
)

// ptx has a kernel that holds its stream and one that nobody knows the cost of.
const ptx = `// by hand
.version 8.0
.target sm_80
.address_size 64
.visible .entry bench_spin(
	.param .u64 .ptr .align 4 bench_spin_param_0,
	.param .u64 bench_spin_param_1
)
{ ret; }
.visible .entry by_hand(.param .u32 a, .param .align 8 .b8 b[16], .param .f64 c) .maxntid 128, 2, 1
{ .shared .align 4 .b8 s[96]; ret; }
`

// open is device 0 of a simulated machine.
func open(t testing.TB, truth fakedriver.Truth, without ...string) *cuda.Context {
	t.Helper()
	d, err := cuda.Open(fakedriver.Driver(t, truth, without...))
	if err != nil {
		t.Fatal(err)
	}
	device, err := d.Device(0)
	if err != nil {
		t.Fatal(err)
	}
	c, err := device.Open()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestADeviceIsWhatTheTruthSays(t *testing.T) {
	c := open(t, fakedriver.Truth{Name: "NVIDIA Test (simulated)", Devices: 3, Major: 9, SMs: 7, MemoryBytes: 3 << 30, L2Bytes: 5 << 20, ClockHz: 1.5e9})
	d := c.Device()
	if d.Name != "NVIDIA Test (simulated)" || d.Major != 9 || d.Minor != 0 || d.SMs != 7 || d.MemoryBytes != 3<<30 || d.L2Bytes != 5<<20 || d.ClockHz != 1.5e9 {
		t.Errorf("%+v", d)
	}
	if d.PCI != "00000000:07:00.0" || !strings.HasPrefix(d.UUID, "GPU-fafafafa-") {
		t.Errorf("%s %s", d.PCI, d.UUID)
	}
	if n, err := d.Driver().Count(); n != 3 || err != nil {
		t.Errorf("%d devices, %v", n, err)
	}
}

// A name without the label is refused: its figures would pass for measured ones.
func TestOnlyASimulatedNameIsTaken(t *testing.T) {
	_, err := cuda.Open(fakedriver.Driver(t, fakedriver.Truth{Name: "NVIDIA H100 80GB HBM3"}))
	if err == nil {
		t.Error("a device that is not called simulated came up")
	}
}

func TestMemory(t *testing.T) {
	c := open(t, fakedriver.Truth{MemoryBytes: 1 << 20})
	p := must[cuda.Ptr](t)(c.Alloc(512 << 10))
	if free, total, err := c.MemInfo(); free != 512<<10 || total != 1<<20 || err != nil {
		t.Errorf("%d of %d, %v", free, total, err)
	}
	_, err := c.Alloc(513 << 10)
	var e *cuda.Error
	if !errors.As(err, &e) || !e.OutOfMemory() {
		t.Errorf("%v, want out of memory", err)
	}
	got := make([]byte, 16)
	ok(t, c.ToHost(got, p))
	if !bytes.Equal(got, bytes.Repeat([]byte{255}, 16)) {
		t.Errorf("fresh memory holds %v, want what a reader notices", got)
	}
	ok(t, c.ToDevice(p+8, []byte("12345678")))
	ok(t, c.ToHost(got, p))
	if string(got[8:]) != "12345678" {
		t.Errorf("%q", got)
	}
	if err := c.ToHost(got, p+512<<10-8); err == nil {
		t.Error("a copy beyond the end was made")
	}
	ok(t, c.Free(p))
	if err := c.Free(p); err == nil {
		t.Error("freed twice")
	}
	ok(t, c.Close())
}

func TestModules(t *testing.T) {
	c := open(t, fakedriver.Truth{Driver: 12000})
	m := must[*cuda.Module](t)(c.Load([]byte(ptx)))
	f := must[*cuda.Function](t)(m.Function("by_hand"))
	if i, err := f.Info(); i.MaxThreads != 256 || i.SharedBytes != 96 || err != nil {
		t.Errorf("%+v, %v", i, err)
	}
	if _, err := m.Function("absent"); err == nil || !strings.Contains(err.Error(), "CUDA_ERROR_NOT_FOUND") {
		t.Error(err)
	}
	for _, bad := range []struct{ from, to, want string }{
		{".version 8.0", "garbage", "no .version"},
		{".version 8.0", ".version 8.1", "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"}, // R525 reads 8.0 at most
		{"sm_80", "sm_90a", "CUDA_ERROR_NO_BINARY_FOR_GPU"},
		{"{ ret; }", "{ ret;", "end of file"},
	} {
		if _, err := c.Load([]byte(strings.ReplaceAll(ptx, bad.from, bad.to))); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v, want %s", bad.to, err, bad.want)
		}
	}
}

// elapsed times what enqueue puts on a stream between two events.
func elapsed(t *testing.T, c *cuda.Context, s *cuda.Stream, enqueue func()) float64 {
	t.Helper()
	from, to := must[*cuda.Event](t)(c.NewEvent()), must[*cuda.Event](t)(c.NewEvent())
	ok(t, s.Record(from))
	enqueue()
	ok(t, s.Record(to))
	ok(t, s.Sync())
	return must[float64](t)(c.Elapsed(from, to))
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got/want-1) > 1e-6 {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// Times by hand: a copy of 100 MB reads and writes 100 MB at 500 GB/s, 400 µs,
// after 2 µs; a copy of 1 MB stays in the L2 the second time, 2 MB at 2 TB/s.
func TestTheClockIsVirtual(t *testing.T) {
	c := open(t, fakedriver.Truth{Copy: 500e9, Write: 250e9, L2: 2e12, L2Bytes: 4 << 20, CopyStart: 2e-6, HostToDevice: 10e9, HostLaunch: 1e-15})
	s := must[*cuda.Stream](t)(c.NewStream())
	a, b := must[cuda.Ptr](t)(c.Alloc(100e6)), must[cuda.Ptr](t)(c.Alloc(100e6))
	near(t, "copy", elapsed(t, c, s, func() { ok(t, s.Copy(a, b, 100e6)) }), 402e-6)
	elapsed(t, c, s, func() { ok(t, s.Copy(a, b, 1e6)) })
	near(t, "copy in L2", elapsed(t, c, s, func() { ok(t, s.Copy(a, b, 1e6)) }), 3e-6)
	near(t, "fill", elapsed(t, c, s, func() { ok(t, s.Fill32(a, 1, 25e6)) }), 402e-6)
	host := must[unsafe.Pointer](t)(c.AllocHost(1e6))
	near(t, "to device", elapsed(t, c, s, func() { ok(t, s.CopyToDevice(a, host, 1e6)) }), 102e-6)
}

// A spin holds the stream: what is enqueued behind it runs back to back, however
// slow the host; without it the host's calls set the pace.
func TestASpinHoldsTheStream(t *testing.T) {
	c := open(t, fakedriver.Truth{Kernel: 1e-6, HostLaunch: 10e-6})
	s := must[*cuda.Stream](t)(c.NewStream())
	m := must[*cuda.Module](t)(c.Load([]byte(ptx)))
	spin, work := must[*cuda.Function](t)(m.Function("bench_spin")), must[*cuda.Function](t)(m.Function("by_hand"))
	flag := must[unsafe.Pointer](t)(c.AllocHost(64))
	*(*uint32)(flag) = 0
	launch := func(f *cuda.Function, args ...any) { ok(t, s.Launch(f, cuda.Launch{}, args...)) }

	slow := elapsed(t, c, s, func() {
		for range 10 {
			launch(work, int32(1), int64(2), 3.0)
		}
	})
	if slow < 90e-6 {
		t.Errorf("10 launches of a host that takes 10 µs each ran in %g s", slow)
	}
	from, to := must[*cuda.Event](t)(c.NewEvent()), must[*cuda.Event](t)(c.NewEvent())
	launch(spin, cuda.Ptr(uintptr(flag)), int64(1e9))
	ok(t, s.Record(from))
	for range 10 {
		launch(work, int32(1), int64(2), 3.0)
	}
	ok(t, s.Record(to))
	if done, err := s.Query(); done || err != nil {
		t.Errorf("the stream is held, and Query says %v, %v", done, err)
	}
	*(*uint32)(flag) = 1
	ok(t, s.Sync())
	near(t, "held launches", must[float64](t)(c.Elapsed(from, to)), 10e-6)

	// Five are held. The five that come after the release come at the host's pace, as
	// does the event: six calls of 10 µs each from the release on.
	*(*uint32)(flag) = 0
	launch(spin, cuda.Ptr(uintptr(flag)), int64(1e9))
	ok(t, s.Record(from))
	for i := range 10 {
		if i == 5 {
			*(*uint32)(flag) = 1
		}
		launch(work, int32(1), int64(2), 3.0)
	}
	ok(t, s.Record(to))
	ok(t, s.Sync())
	near(t, "half held", must[float64](t)(c.Elapsed(from, to)), 60e-6)
}

// A failing cuCtxSetCurrent, which precedes every call, is told under its own
// name, and so is a graph that cannot be destroyed.
func TestErrorsHaveTheNameOfTheirCall(t *testing.T) {
	c := open(t, fakedriver.Truth{Fail: "cuCtxSetCurrent:2:201,cuGraphDestroy:1:400"})
	s := must[*cuda.Stream](t)(c.NewStream())
	var e *cuda.Error
	if _, err := c.Alloc(1); !errors.As(err, &e) || e.Call != "cuCtxSetCurrent" || e.Code != 201 || e.Name != "CUDA_ERROR_INVALID_CONTEXT" {
		t.Errorf("%v", err)
	}
	p := must[cuda.Ptr](t)(c.Alloc(64))
	if _, err := s.Capture(func() error { return s.Fill8(p, 0, 64) }); !errors.As(err, &e) || e.Call != "cuGraphDestroy" || e.Code != 400 {
		t.Errorf("%v", err)
	}
}

func TestGraphs(t *testing.T) {
	c := open(t, fakedriver.Truth{Kernel: 5e-6, GraphKernel: 1e-6, HostLaunch: 1e-15})
	s := must[*cuda.Stream](t)(c.NewStream())
	m := must[*cuda.Module](t)(c.Load([]byte(ptx)))
	work := must[*cuda.Function](t)(m.Function("by_hand"))
	p := must[cuda.Ptr](t)(c.Alloc(4096))
	g := must[*cuda.Graph](t)(s.Capture(func() error {
		for range 8 {
			if err := s.Launch(work, cuda.Launch{}, int32(1), int64(2), 3.0); err != nil {
				return err
			}
		}
		return s.Fill8(p, 7, 4096)
	}))
	got := make([]byte, 1)
	ok(t, s.Sync())
	ok(t, c.ToHost(got, p))
	if got[0] != 255 {
		t.Error("capturing ran the work")
	}
	ok(t, g.Launch(s))
	ok(t, s.Sync())
	ok(t, c.ToHost(got, p))
	if got[0] != 7 {
		t.Error("the graph did not run")
	}
	if s := elapsed(t, c, s, func() { ok(t, g.Launch(s)) }); s < 8e-6 || s > 12e-6 {
		t.Errorf("8 kernels of 1 µs and a fill of a graph took %g s", s)
	}
	if _, err := s.Capture(func() error { _, err := c.Alloc(16); return err }); err == nil {
		t.Error("an allocation was allowed in a capture")
	}
	ok(t, g.Close())
}

func TestFaults(t *testing.T) {
	for _, f := range []struct {
		truth fakedriver.Truth
		want  int
	}{
		{fakedriver.Truth{NoDevice: true}, 100},
		{fakedriver.Truth{Fail: "cuMemAlloc_v2:2:2"}, 2},
		{fakedriver.Truth{Fail: "cuMemAlloc_v2:2:700"}, 700},
		{fakedriver.Truth{Lose: "cuMemAlloc_v2:2"}, 999},
	} {
		err := func() error {
			d, err := cuda.Open(fakedriver.Driver(t, f.truth))
			if err != nil {
				return err
			}
			c := must[*cuda.Context](t)(must[*cuda.Device](t)(d.Device(0)).Open())
			must[cuda.Ptr](t)(c.Alloc(16))
			_, err = c.Alloc(16)
			if _, again := c.Alloc(16); (again != nil) != (f.want != 2) {
				t.Errorf("%+v: the call after: %v", f.truth, again)
			}
			return err
		}()
		var e *cuda.Error
		if !errors.As(err, &e) || e.Code != f.want {
			t.Errorf("%+v: %v, want code %d", f.truth, err, f.want)
		}
	}
	var missing *cuda.MissingError
	if _, err := cuda.Open(fakedriver.Driver(t, fakedriver.Truth{}, "cuGraphLaunch")); !errors.As(err, &missing) || !strings.Contains(err.Error(), "cuGraphLaunch") {
		t.Errorf("without cuGraphLaunch: %v", err)
	}
	if _, err := cuda.Open(fakedriver.Driver(t, fakedriver.Truth{Driver: 11080})); !errors.As(err, &missing) || !strings.Contains(err.Error(), "11.8") {
		t.Errorf("an old driver: %v", err)
	}
}

func TestNoiseIsOfTheSizeAsked(t *testing.T) {
	c := open(t, fakedriver.Truth{Copy: 5e9, L2Bytes: 1, Noise: 0.02, HostLaunch: 1e-15}) // 100 µs a copy
	s := must[*cuda.Stream](t)(c.NewStream())
	p := must[cuda.Ptr](t)(c.Alloc(1e6))
	var sum, squares float64
	const n = 2000
	for range n {
		v := elapsed(t, c, s, func() { ok(t, s.Copy(p, p+500e3, 500e3)) })
		sum += v
		squares += v * v
	}
	mean := sum / n
	if sd := math.Sqrt(squares/n-mean*mean) / mean; sd < 0.019 || sd > 0.021 {
		t.Errorf("relative standard deviation %g, want 0.02", sd)
	}
}

// Every definition has the type that NVIDIA's own header declares.
func TestTheABIIsTheRealOne(t *testing.T) {
	const include = "/opt/cuda-tools/usr/include"
	if _, err := os.Stat(filepath.Join(include, "cuda.h")); err != nil {
		t.Skip("no cuda.h here: ../shared/bin/cuda-tools /opt/cuda-tools --headers brings it")
	}
	cxx, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++")
	}
	args := []string{"-std=c++17", "-fsyntax-only", "-DFAKE_REAL_HEADERS", "-I" + include}
	for _, f := range []string{"truth", "fault", "engine", "costs", "device", "memory", "module", "stream"} {
		args = append(args, "-include", "src/"+f+".cpp")
	}
	out, err := exec.Command(cxx, append(args, "-x", "c++", "/dev/null")...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
