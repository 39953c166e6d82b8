package cuda

import (
	"errors"
	"os"
	"strings"
	"testing"

	"bench/cuda/dynamic"
)

func TestOpenRefuses(t *testing.T) {
	libc, err := dynamic.Open([]string{"libc.so.6"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{"libcuda.so.1", "relative path"},
		{"./libcuda.so.1", "relative path"},
		{"/nowhere/libcuda.so.1", "it is not installed (looked in /nowhere/libcuda.so.1)"},
		{libc.Path(), "it has no function cuInit"},
	} {
		_, err := Open(c.path)
		var missing *MissingError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.path, err, c.want)
		}
	}
}

// realDriver is the genuine libcuda without a GPU, which ../shared/bin/cuda-tools
// brings.
const realDriver = "/opt/cuda-tools/usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.1"

func TestTheRealDriverWithoutAGPU(t *testing.T) {
	if _, err := os.Stat(realDriver); err != nil {
		t.Skip("no genuine libcuda here: ../shared/bin/cuda-tools /opt/cuda-tools brings it")
	}
	if _, err := os.Stat("/proc/driver/nvidia/version"); err == nil { // the device files say nothing: libcuda itself makes them
		t.Skip("this machine has a GPU")
	}
	_, err := Open(realDriver) // resolves every symbol before it asks for a device
	var failed *Error
	if !errors.As(err, &failed) || !failed.NoDevice() || failed.Call != "cuInit" || failed.Name != "CUDA_ERROR_NO_DEVICE" {
		t.Fatalf("%v, want cuInit's CUDA_ERROR_NO_DEVICE", err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		code                  int
		sticky, memory, empty bool
	}{
		{1, false, false, false}, {2, false, true, false}, {100, false, false, true}, {600, false, false, false}, {701, false, false, false},
		{46, true, false, false}, {214, true, false, false}, {220, true, false, false}, {700, true, false, false}, {716, true, false, false},
		{719, true, false, false}, {999, true, false, false},
	} {
		e := &Error{Call: "cuX", Code: c.code}
		if e.Sticky() != c.sticky || e.OutOfMemory() != c.memory || e.NoDevice() != c.empty {
			t.Errorf("code %d: sticky %v, memory %v, no device %v", c.code, e.Sticky(), e.OutOfMemory(), e.NoDevice())
		}
	}
	if got := (&Error{Call: "cuInit", Code: 1234}).Error(); got != "cuInit: error 1234" {
		t.Error(got)
	}
}

func TestPCIAddress(t *testing.T) {
	for in, want := range map[string]string{"0000:07:00.0": "00000000:07:00.0", "0001:3b:00.0": "00000001:3B:00.0", "00000000:07:00.0": "00000000:07:00.0"} {
		if got := pciAddress(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
