package host

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "blas.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"bench/cuda/dynamic"
	"bench/microbench"
)

// library is a matrix library that was opened, or the reason why it was not.
type library struct {
	name string
	c    *C.blas_library
	err  error
}

var (
	librariesMutex sync.Mutex
	libraries      = map[string]*library{}
)

// sonames are the names that a library's releases have.
var sonames = map[string][]string{
	"openblas": {"libopenblas.so.0", "libopenblas.so"},
	"mkl":      {"libmkl_rt.so.2", "libmkl_rt.so.1", "libmkl_rt.so"},
	"blis":     {"libblis.so.4", "libblis.so.3", "libblis-mt.so.4", "libblis.so"},
	"onednn":   {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"},
}

// openLibrary opens a library once in the life of the process.
func openLibrary(name string) *library {
	librariesMutex.Lock()
	defer librariesMutex.Unlock()
	if l := libraries[name]; l != nil {
		return l
	}
	l := &library{name: name}
	libraries[name] = l
	file, err := dynamic.Open(sonames[name])
	if err != nil {
		l.err = fmt.Errorf("the library %s cannot be used: %w: install it, or choose another", name, err)
		return l
	}
	path := C.CString(file.Path())
	defer C.free(unsafe.Pointer(path))
	var message [256]C.char
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if l.c = C.blas_open(text, path, &message[0], C.size_t(len(message))); l.c == nil {
		l.err = errors.New(C.GoString(&message[0]))
	}
	return l
}

func (l *library) version() string { return C.GoString(C.blas_version(l.c)) }
func (l *library) path() string    { return C.GoString(C.blas_path(l.c)) }

// setThreads makes the library use n threads, and says where it would not.
func (l *library) setThreads(n int) error {
	if got := int(C.blas_set_threads(l.c, C.int(n))); got != n {
		return skip("%s (%s) was asked for %d threads and says that it uses %d: use its threaded build, or another library",
			l.name, l.path(), n, got)
	}
	return nil
}

// usable says why a library cannot make products of the type on that many
// threads, or nil.
func (l *library) usable(typ C.int, ranks int) error {
	if l.err != nil {
		return skip("%v", l.err)
	}
	if C.blas_has(l.c, typ) == 0 {
		return skip("%s (%s) has no product of this type", l.name, l.version())
	}
	return l.setThreads(ranks)
}

// streamedRows is up to how many rows of A "auto" makes a product of fp64 or fp32
// by the built-in kernel even where a library is installed. That kernel reads B
// where it lies; a library's matrix product packs B first, which for so few rows
// costs more than the product (OpenBLAS is 3 to 5 times slower at 1 to 8 rows
// on a Zen 4). predict/ceilings has the same constant: its prediction for few rows
// is that of a B read once. Change both together.
const streamedRows = 8

// chooseLibrary returns the library for Options.Library and a product of m rows,
// or nil for the built-in kernel.
func chooseLibrary(option string, typ C.int, m int64, ranks int) (*library, error) {
	switch {
	case option == "builtin":
		return nil, nil
	case option == "" || option == "auto":
		if m <= streamedRows && (typ == C.GEMM_FP64 || typ == C.GEMM_FP32) {
			return nil, nil
		}
		for _, name := range microbench.Libraries[1:5] {
			if l := openLibrary(name); l.usable(typ, ranks) == nil {
				return l, nil
			}
		}
		return nil, nil
	case !slices.Contains(microbench.Libraries, option):
		return nil, fmt.Errorf("unknown matrix library %q: use one of %s", option, strings.Join(microbench.Libraries, ", "))
	}
	l := openLibrary(option)
	return l, l.usable(typ, ranks)
}

// libraryEnvironment is what Environment says of the matrix libraries: which
// are here, and what in the process's environment slows them.
func libraryEnvironment() map[string]string {
	env := map[string]string{}
	for _, name := range microbench.Libraries[1:5] {
		if l := openLibrary(name); l.err == nil {
			env["library_"+name] = l.version() + " at " + l.path()
		} else if missing := (*dynamic.MissingError)(nil); errors.As(l.err, &missing) {
			env["library_"+name] = "none: " + missing.Reason
		} else {
			env["library_"+name] = "none: " + l.err.Error()
		}
	}
	for _, name := range []string{"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "BLIS_ARCH_TYPE", "MKL_ENABLE_INSTRUCTIONS"} {
		if v, ok := os.LookupEnv(name); ok {
			env[strings.ToLower(name)] = v + " (warning: it overrides what the library would choose for this CPU, and may slow it)"
		}
	}
	return env
}
