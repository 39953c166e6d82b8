package child

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/microbench/host"
)

// The test binary is its own child.
func TestMain(m *testing.M) {
	if os.Getenv("BENCH_TEST_CHILD") != "" {
		os.Exit(Main(openFake, func(err error) bool { return errors.Is(err, errLost) }))
	}
	os.Exit(m.Run())
}

var errLost = errors.New("cuX: CUDA_ERROR_ILLEGAL_ADDRESS")

// What the fake does is the working set of the workload.
const (
	fine = iota + 1
	dies
	hangs
	rubbish
	faults
	late
	loses
	skips
	panics
	endless
	wrong
	refuses
)

type fake struct{ name string }

func openFake() (microbench.Backend, error) {
	name := os.Getenv("BENCH_TEST_CHILD")
	if name == "host" {
		return host.New(host.Options{})
	}
	if name == "broken" {
		return nil, errors.New("no such device")
	}
	return &fake{name}, nil
}

func (f *fake) Device() datasets.Device {
	return datasets.Device{ID: f.name, Kind: "gpu", PeakFLOPs: map[datasets.DType]datasets.Figure{datasets.FP64: {Value: 1e12}}}
}
func (f *fake) Clock() microbench.Clock { return microbench.Clock{Name: "fake", ResolutionS: 1e-9} }
func (f *fake) Environment() map[string]string {
	return map[string]string{"pid": fmt.Sprint(os.Getpid())}
}
func (f *fake) Sentinel() (float64, error) { return 1e-3, nil }
func (f *fake) UUIDs() []string            { return []string{"GPU-1"} }
func (f *fake) Devices() []datasets.Device { return []datasets.Device{f.Device()} }
func (f *fake) Simulated() bool            { return true }
func (f *fake) Where() string              { return "cuda:0 (Fake, GPU-1, PCI 00000000:07:00.0)" }
func (f *fake) Close() error               { return nil }

func (f *fake) Prepare(w datasets.Workload) (microbench.Case, error) {
	switch w := w.(type) {
	case datasets.Stream:
		if w.SizeBytes == skips {
			return nil, &microbench.SkipError{Reason: "too large"}
		}
		return &fakeCase{w.SizeBytes}, nil
	case datasets.MoELayer:
		return fakeRouted{&fakeCase{fine}, w}, nil
	}
	return nil, fmt.Errorf("unexpected %T", w)
}

type fakeCase struct{ what int64 }

func (c *fakeCase) Check() (microbench.Check, error) {
	if c.what == wrong {
		return microbench.Check{Wrong: 3, Checked: 7, MaxRelError: math.NaN(), Bound: math.Inf(1)}, nil
	}
	return microbench.Check{Checked: 7}, nil
}

func (c *fakeCase) Batch(n int64) (microbench.Timing, error) {
	out := os.NewFile(replyFD, "replies")
	switch c.what {
	case dies:
		fmt.Fprintln(os.Stderr, "the wheels came off")
		os.Exit(7)
	case hangs:
		time.Sleep(time.Hour)
	case rubbish:
		fmt.Fprintln(out, "NCCL INFO hello")
	case faults:
		syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		time.Sleep(time.Hour)
	case late:
		time.Sleep(20 * time.Millisecond)
	case loses:
		return microbench.Timing{}, errLost
	case panics:
		panic("assignment to entry in nil map")
	case endless:
		for {
			fmt.Fprint(out, strings.Repeat("x", 1<<16))
		}
	case refuses:
		return microbench.Timing{}, errors.New("cuY: CUDA_ERROR_OUT_OF_MEMORY")
	}
	return microbench.Timing{Seconds: float64(n) * 1e-3, WallSeconds: float64(n) * 2e-3}, nil
}

func (c *fakeCase) Implementation() (name, version string) { return "fake", "1.0" }
func (c *fakeCase) Close() error                           { return nil }

type fakeRouted struct {
	*fakeCase
	w datasets.MoELayer
}

// Loads says how much of the trace came over.
func (c fakeRouted) Loads() (int64, float64, float64) {
	return int64(len(c.w.Routing.Trace)), float64(c.w.Experts), 1.5
}

func config(name string) Config {
	return Config{
		Command: func() *exec.Cmd {
			exe, err := os.Executable()
			if err != nil {
				panic(err)
			}
			c := exec.Command(exe)
			c.Env = append(os.Environ(), "BENCH_TEST_CHILD="+name, "GORACE=atexit_sleep_ms=0") // the race detector lingers
			return c
		},
		Device: "GPU",
		Limits: Limits{Open: 20 * time.Second, Prepare: 20 * time.Second, Check: 20 * time.Second, Other: 20 * time.Second, Batch: 20 * time.Second, Times: 20},
	}
}

func startFake(t *testing.T) *Backend {
	b, err := Start(config("h100"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func stream(what int64) datasets.Stream {
	return datasets.Stream{Kernel: "read", Type: datasets.FP64, SizeBytes: what, Ranks: 1}
}

func TestServesABackend(t *testing.T) {
	b := startFake(t)
	if d := b.Device(); d.ID != "h100" || d.PeakFLOPs[datasets.FP64].Value != 1e12 {
		t.Errorf("device %+v", d)
	}
	if b.Environment()["pid"] != fmt.Sprint(b.Process()) || b.Clock().Name != "fake" || !b.Simulated() || b.UUIDs()[0] != "GPU-1" {
		t.Errorf("environment %v, clock %v", b.Environment(), b.Clock())
	}
	if s, err := b.Sentinel(); s != 1e-3 || err != nil {
		t.Errorf("sentinel %v, %v", s, err)
	}
	c, err := b.Prepare(stream(fine))
	if err != nil {
		t.Fatal(err)
	}
	if _, routed := c.(microbench.RoutedCase); routed {
		t.Error("a stream is no routed case")
	}
	if name, version := c.Implementation(); name != "fake" || version != "1.0" {
		t.Errorf("%s %s", name, version)
	}
	if k, err := c.Check(); k.Checked != 7 || err != nil {
		t.Errorf("check %+v, %v", k, err)
	}
	if got, err := c.Batch(5); got != (microbench.Timing{Seconds: 5e-3, WallSeconds: 10e-3}) || err != nil {
		t.Errorf("batch %+v, %v", got, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	pid := b.Process()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child %d is still there: %v", pid, err)
	}
}

func TestRoutedCasesAndTraces(t *testing.T) {
	b := startFake(t)
	c, err := b.Prepare(datasets.MoELayer{Kernel: "layer", Experts: 8, Routing: datasets.Routing{Rule: datasets.RouteTrace, Trace: []int32{1, 2, 3, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	r, ok := c.(microbench.RoutedCase)
	if !ok {
		t.Fatal("the case came back without its loads")
	}
	if _, err := c.Check(); err != nil {
		t.Fatal(err)
	}
	if active, most, mean := r.Loads(); active != 4 || most != 8 || mean != 1.5 {
		t.Errorf("loads %v %v %v", active, most, mean)
	}
}

func TestAWrongAnswerComesOverWhole(t *testing.T) {
	b := startFake(t)
	c, err := b.Prepare(stream(wrong))
	if err != nil {
		t.Fatal(err)
	}
	if k, err := c.Check(); err != nil || k.Wrong != 3 || !math.IsNaN(k.MaxRelError) || !math.IsInf(k.Bound, 1) {
		t.Errorf("check %+v, %v", k, err)
	}
}

// Each fault ends the case with its cause, and the next case gets a child that
// works: a fresh one where the old one is of no use.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		what  int64
		want  string
		where bool // the error names the GPU
		fresh bool
	}{
		{dies, "the measuring process died (exit status 7): the wheels came off", true, true},
		{hangs, "the GPU did not answer for 0 s, and its process was killed", true, true},
		{rubbish, `the measuring process was ended: it answered with "NCCL INFO hello\n"`, true, true},
		{faults, "SIGSEGV: segmentation violation", true, true},
		{loses, "cuX: CUDA_ERROR_ILLEGAL_ADDRESS", true, true},
		{panics, "the case crashed: assignment to entry in nil map (child_test.go:", true, true},
		{endless, `the measuring process was ended: it answered with "xxxx`, true, true},
		{refuses, "cuY: CUDA_ERROR_OUT_OF_MEMORY", false, false},
		{late, "", false, false},
	} {
		b := startFake(t)
		if c.what == hangs {
			b.config.Limits.Batch = 200 * time.Millisecond
		}
		old := b.Process()
		k, err := b.Prepare(stream(c.what))
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Batch(1)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "GPU-1, PCI 00000000:07:00.0") != c.where {
			t.Errorf("%s: whether it names the GPU: %v", c.want, err)
		}
		if err := k.Close(); err != nil {
			t.Errorf("%s: close: %v", c.want, err)
		}
		if s, err := b.Sentinel(); s != 1e-3 || err != nil {
			t.Errorf("%s: the sentinel afterwards: %v, %v", c.want, s, err)
		}
		if (b.Process() != old) != c.fresh || (b.Renewals() == 1) != c.fresh {
			t.Errorf("%s: process %d after %d", c.want, b.Process(), old)
		}
		again, err := b.Prepare(stream(fine))
		if err != nil {
			t.Fatalf("%s: the next case: %v", c.want, err)
		}
		if _, err := again.Batch(1); err != nil {
			t.Errorf("%s: the next case: %v", c.want, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSkips(t *testing.T) {
	b := startFake(t)
	_, err := b.Prepare(stream(skips))
	var skip *microbench.SkipError
	if !errors.As(err, &skip) || skip.Reason != "too large" {
		t.Errorf("%v, want a SkipError", err)
	}
}

func TestWhatDoesNotStart(t *testing.T) {
	if _, err := Start(config("broken")); err == nil || err.Error() != "no such device" {
		t.Errorf("a backend that does not open: %v", err)
	}
	c := config("h100")
	c.Command = func() *exec.Cmd { return exec.Command("/nowhere/bench") }
	if _, err := Start(c); err == nil || !strings.Contains(err.Error(), "does not start") {
		t.Errorf("a program that is not there: %v", err)
	}
	c.Command = func() *exec.Cmd { return exec.Command("true") }
	if _, err := Start(c); err == nil || !strings.Contains(err.Error(), "the measuring process ended by itself") {
		t.Errorf("a program that ends: %v", err)
	}
}

// A parent that goes away ends its child, even in the middle of a hang.
func TestEndsWithItsParent(t *testing.T) {
	for _, what := range []int64{fine, hangs} {
		b := startFake(t)
		c, err := b.Prepare(stream(what))
		if err != nil {
			t.Fatal(err)
		}
		p := b.process
		batch := p.Go(serviceName+".Batch", int64(1), new(microbench.Timing), nil)
		if what == fine {
			<-batch.Done
		}
		p.Close() // closes the pipes, and kills nothing
		if !p.waited(20 * time.Second) {
			t.Errorf("%d: still there", what)
		}
		if p.err == nil != (what == fine) {
			t.Errorf("%d: ended with %v", what, p.err)
		}
		b.process = nil
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheVerbByHand(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe)
	c.Env = append(os.Environ(), "BENCH_TEST_CHILD=1")
	out, err := c.CombinedOutput()
	if c.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "this verb is bench's own") {
		t.Errorf("%v: %s", err, out)
	}
}
