// Package cuda is NVIDIA's driver API, opened at run time: what the measuring
// harness needs of it, with the driver's own error codes. A goroutine may move
// between threads: each call makes its context current first. A context's calls
// are not to be made from two goroutines at once, as nothing here needs that.
package cuda

/*
#include <stdlib.h>
#include "driver.h"
*/
import "C"

import (
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"bench/cuda/dynamic"
)

// OldestVersion is the oldest driver that is taken: CUDA 12.0, R525.
const OldestVersion = 12000

// libraries are where libcuda lies: by the loader, and where containers and
// distributions put it without telling the loader (GKE, Colab, WSL, NixOS).
var libraries = []string{
	"libcuda.so.1",
	"/usr/local/nvidia/lib64/libcuda.so.1",
	"/usr/lib64-nvidia/libcuda.so.1",
	"/usr/lib/wsl/lib/libcuda.so.1",
	"/run/opengl-driver/lib/libcuda.so.1",
}

// Driver is an open, initialised libcuda.
type Driver struct {
	library *dynamic.Library
	table   *C.cu_table
	version int
}

// Open opens libcuda and initialises it. The path "" means BENCH_LIBCUDA where
// that is set and otherwise libcuda.so.1 from the loader's own places; another
// one must be absolute. A library or function that is missing, and a driver older
// than OldestVersion, are a *MissingError; what cuInit says is an *Error.
func Open(path string) (*Driver, error) {
	var l *dynamic.Library
	var err error
	if path == "" {
		l, err = dynamic.OpenOverridden("BENCH_LIBCUDA", libraries)
	} else if !filepath.IsAbs(path) {
		err = &MissingError{Library: path, Reason: "it is named by a relative path, which is refused: give an absolute one"}
	} else {
		l, err = dynamic.Open([]string{path})
	}
	if err != nil {
		return nil, err
	}
	table, err := l.Table(unsafe.Pointer(&C.cu_symbols), len(C.cu_symbols))
	if err != nil {
		return nil, err
	}
	d := &Driver{library: l, table: (*C.cu_table)(table)}
	var v C.int
	if err := d.check("cuDriverGetVersion", C.cu_driver_version(d.table, &v)); err != nil {
		return nil, err
	}
	if d.version = int(v); d.version < OldestVersion {
		return nil, &MissingError{Library: l.Path(), Reason: fmt.Sprintf("the driver supports CUDA %s, and %s (R525) or newer is needed",
			VersionText(d.version), VersionText(OldestVersion))}
	}
	if err := d.check("cuInit", C.cu_init(d.table)); err != nil {
		return nil, err
	}
	return d, nil
}

// VersionText writes 12040 as "12.4".
func VersionText(v int) string { return fmt.Sprintf("%d.%d", v/1000, v%1000/10) }

// Version is the newest CUDA that the driver supports, as 12040 for 12.4.
func (d *Driver) Version() int { return d.version }

// Path is the file that was opened.
func (d *Driver) Path() string { return d.library.Path() }

// Count is how many GPUs the driver shows to this process.
func (d *Driver) Count() (int, error) {
	var n C.int
	err := d.check("cuDeviceGetCount", C.cu_device_count(d.table, &n))
	return int(n), err
}

// Device is a GPU as the driver describes it.
type Device struct {
	// Index is the driver's number for it, from 0.
	Index int
	// UUID is "GPU-…" and PCI "00000000:07:00.0", both as NVML writes them.
	Name, UUID, PCI string
	// Major and Minor are the compute capability, SMs the multiprocessors.
	Major, Minor, SMs    int
	MemoryBytes, L2Bytes int64
	// ClockHz is the highest SM clock that the driver gives.
	ClockHz float64
	// SharedPerBlockOptin and SharedPerSM are bytes of shared memory.
	SharedPerBlockOptin, SharedPerSM int

	driver *Driver
	handle C.cu_device
}

// Attributes of a device (cuda.h 12.4, CUdevice_attribute).
const (
	AttributeClockKHz            = 13
	AttributeSMs                 = 16
	AttributeL2Bytes             = 38
	AttributeMajor               = 75
	AttributeMinor               = 76
	AttributeSharedPerSM         = 81
	AttributeSharedPerBlockOptin = 97
)

// Device describes GPU i, from 0.
func (d *Driver) Device(i int) (*Device, error) {
	v := &Device{Index: i, driver: d}
	if err := d.check("cuDeviceGet", C.cu_device_get(d.table, C.int(i), &v.handle)); err != nil {
		return nil, err
	}
	var name [256]C.char
	var pci [32]C.char
	var uuid [16]C.uchar
	var bytes C.size_t
	var call *C.char
	r := C.cu_device_describe(d.table, v.handle, &name[0], C.int(len(name)), &uuid[0], &pci[0], C.int(len(pci)), &bytes, &call)
	if err := d.check(C.GoString(call), r); err != nil {
		return nil, err
	}
	v.Name, v.MemoryBytes = C.GoString(&name[0]), int64(bytes)
	u := make([]byte, len(uuid))
	for i, b := range uuid {
		u[i] = byte(b)
	}
	v.UUID = fmt.Sprintf("GPU-%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
	v.PCI = pciAddress(C.GoString(&pci[0]))
	var clock, l2 int
	for _, a := range []struct {
		attribute int
		to        *int
	}{
		{AttributeClockKHz, &clock}, {AttributeSMs, &v.SMs}, {AttributeL2Bytes, &l2}, {AttributeMajor, &v.Major}, {AttributeMinor, &v.Minor},
		{AttributeSharedPerSM, &v.SharedPerSM}, {AttributeSharedPerBlockOptin, &v.SharedPerBlockOptin},
	} {
		value, err := v.Attribute(a.attribute)
		if err != nil {
			return nil, err
		}
		*a.to = value
	}
	v.ClockHz, v.L2Bytes = float64(clock)*1e3, int64(l2)
	return v, nil
}

// pciAddress writes libcuda's "0000:07:00.0" as NVML does, with a domain of
// eight digits.
func pciAddress(s string) string {
	domain, rest, ok := strings.Cut(s, ":")
	if !ok || len(domain) >= 8 {
		return strings.ToUpper(s)
	}
	return strings.ToUpper(strings.Repeat("0", 8-len(domain)) + domain + ":" + rest)
}

// Attribute reads a CUdevice_attribute by its number.
func (d *Device) Attribute(a int) (int, error) {
	var v C.int
	err := d.driver.check("cuDeviceGetAttribute", C.cu_device_attribute(d.driver.table, C.int(a), d.handle, &v))
	return int(v), err
}

// CanAccessPeer reports whether kernels here can read and write o's memory.
func (d *Device) CanAccessPeer(o *Device) (bool, error) {
	var can C.int
	err := d.driver.check("cuDeviceCanAccessPeer", C.cu_can_access_peer(d.driver.table, d.handle, o.handle, &can))
	return can != 0, err
}

// Driver is the driver that the device was found by.
func (d *Device) Driver() *Driver { return d.driver }

// check makes an *Error of a result that is no success.
func (d *Driver) check(call string, r C.cu_result) error {
	if r == 0 {
		return nil
	}
	if r&C.CU_NOT_CURRENT != 0 {
		call, r = "cuCtxSetCurrent", r&^C.CU_NOT_CURRENT
	}
	var name, text [256]C.char
	C.cu_error_text(d.table, r, &name[0], C.int(len(name)), &text[0], C.int(len(text)))
	return &Error{Call: call, Code: int(r), Name: C.GoString(&name[0]), Text: C.GoString(&text[0])}
}
