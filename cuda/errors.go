package cuda

import (
	"errors"
	"fmt"
	"slices"

	"bench/cuda/dynamic"
)

// MissingError says that a library, or a symbol of one, is not there.
type MissingError = dynamic.MissingError

// Error is what a call of the driver returned.
type Error struct {
	// Call is the driver's function.
	Call string
	// Code is the CUresult, Name and Text what the driver calls it
	// ("CUDA_ERROR_OUT_OF_MEMORY", "out of memory").
	Code       int
	Name, Text string
}

func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = fmt.Sprintf("error %d", e.Code)
	}
	s := e.Call + ": " + name
	if e.Text != "" {
		s += " (" + e.Text + ")"
	}
	if hint := hints[e.Code]; hint != "" {
		s += ": " + hint
	}
	return s
}

// saying adds to the driver's text of an error; nil stays nil.
func saying(err error, more string) error {
	if e := (*Error)(nil); errors.As(err, &e) {
		e.Text += "; " + more
	}
	return err
}

// hints say what to do about errors whose own text does not (cuda.h 12.4).
var hints = map[int]string{
	46:  "another process holds the GPU in exclusive mode, or it fell off the bus",
	100: "the driver sees no GPU: none is fitted, CUDA_VISIBLE_DEVICES hides all, or the container was started without them",
	214: "an uncorrectable memory error: reset the GPU or the node, and see its Xid log",
	220: "an uncorrectable NVLink error: see the Xid log",
	221: "libnvidia-ptxjitcompiler.so.1, which compiles the kernels, is not installed: it comes with the driver",
	222: "the driver is older than the kernels' PTX: R525 or newer is needed",
	700: "a kernel touched memory that is not its own",
	702: "a kernel ran longer than the GPU's time limit: is a display attached?",
	802: "the fabric manager, which NVSwitch nodes need, is not running or not ready",
	803: "libcuda and the kernel's driver module have different versions: reboot, or reload the module",
	804: "a forward-compatibility libcuda does not support this GPU: use the driver's own",
	999: "the driver gives no reason; often the nvidia-uvm module is not loaded or the device files are missing",
}

// sticky are the errors after which the process can no longer use the context
// (cuda.h 12.4, "this leaves the process in an inconsistent state"), or the GPU.
var sticky = []int{
	4, 46, // deinitialised, unavailable
	201, 214, 220, // context invalid, ECC, NVLink
	700, 702, 709, 710, 714, 715, 716, 717, 718, 719, // a kernel's faults
	721, 810, 911, // contained error, MPS client ended, external device
	999,
}

// Sticky reports whether the context is lost: a fresh process must go on.
func (e *Error) Sticky() bool { return slices.Contains(sticky, e.Code) }

// OutOfMemory reports whether the device's memory did not suffice; the context
// is still good.
func (e *Error) OutOfMemory() bool { return e.Code == 2 }

// NoDevice reports whether the driver found no GPU.
func (e *Error) NoDevice() bool { return e.Code == 100 }
