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
)

// Libraries are the values of Options.Library: "auto" takes the first of
// OpenBLAS, MKL, BLIS and oneDNN that is installed and multiplies the type with
// as many threads as asked, else the built-in kernel.
var Libraries = []string{"auto", "openblas", "mkl", "blis", "onednn", "builtin"}

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

// openLibrary opens a library once in the life of the process.
func openLibrary(name string) *library {
	librariesMutex.Lock()
	defer librariesMutex.Unlock()
	if l := libraries[name]; l != nil {
		return l
	}
	l := &library{name: name}
	var message [256]C.char
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if l.c = C.blas_open(text, &message[0], C.size_t(len(message))); l.c == nil {
		l.err = errors.New(C.GoString(&message[0]))
	}
	libraries[name] = l
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

// chooseLibrary returns the library for Options.Library, or nil for the
// built-in kernel.
func chooseLibrary(option string, typ C.int, ranks int) (*library, error) {
	switch {
	case option == "builtin":
		return nil, nil
	case option == "" || option == "auto":
		for _, name := range Libraries[1:5] {
			if l := openLibrary(name); l.usable(typ, ranks) == nil {
				return l, nil
			}
		}
		return nil, nil
	case !slices.Contains(Libraries, option):
		return nil, fmt.Errorf("unknown matrix library %q: use one of %s", option, strings.Join(Libraries, ", "))
	}
	l := openLibrary(option)
	return l, l.usable(typ, ranks)
}

// libraryEnvironment is what Environment says of the matrix libraries: which
// are here, and what in the process's environment slows them.
func libraryEnvironment() map[string]string {
	env := map[string]string{}
	for _, name := range Libraries[1:5] {
		if l := openLibrary(name); l.err == nil {
			env["library_"+name] = l.version() + " at " + l.path()
		} else {
			env["library_"+name] = "not installed"
		}
	}
	for _, name := range []string{"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "BLIS_ARCH_TYPE", "MKL_ENABLE_INSTRUCTIONS"} {
		if v, ok := os.LookupEnv(name); ok {
			env[strings.ToLower(name)] = v + " (warning: it overrides what the library would choose for this CPU, and may slow it)"
		}
	}
	return env
}
