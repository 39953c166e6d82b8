// Package dynamic opens a vendor's shared library at run time, so that the
// program builds and starts where the library is not installed. A library comes
// from the places that the loader trusts or from an absolute path, and never
// from a relative one or the working folder. It stays open: its threads may
// not survive being unmapped.
package dynamic

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "open.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"
)

// Library is an open shared library.
type Library struct {
	handle unsafe.Pointer
	path   string
}

// MissingError says that a library, or a symbol of one, is not there.
type MissingError struct {
	// Library is the name asked for first, or the file that lacks a symbol.
	Library string
	// Looked is where it was looked for; empty where a symbol is missing.
	Looked []string
	// Reason is a clause such as "it is not installed".
	Reason string
}

func (e *MissingError) Error() string {
	if len(e.Looked) == 0 {
		return e.Library + ": " + e.Reason
	}
	return fmt.Sprintf("%s: %s (looked in %s)", e.Library, e.Reason, strings.Join(e.Looked, ", "))
}

// Open opens the first of names that is there. A name without a slash is looked
// up by the loader (LD_LIBRARY_PATH, its cache and its default folders); one with
// a slash must be absolute. The error is a *MissingError.
//
// The loader reads LD_LIBRARY_PATH when a process begins, so main sees to it that
// no relative folder is in it (SearchPath).
func Open(names []string) (*Library, error) {
	if len(names) == 0 {
		return nil, errors.New("no library was named")
	}
	missing := &MissingError{Library: names[0], Reason: "it is not installed"}
	for _, name := range names {
		if strings.Contains(name, "/") && !filepath.IsAbs(name) {
			missing.Reason = "it is named by a relative path, which is refused: give an absolute one"
			return nil, missing
		}
		l, err := open(name)
		if l != nil {
			return l, nil
		}
		missing.Looked = append(missing.Looked, places(name)...)
		if !strings.Contains(err, "cannot open shared object file: No such file") {
			// It is there, and does not load: that is what the user must hear.
			missing.Reason = "it does not load: " + err
		}
	}
	return nil, missing
}

// OpenOverridden is Open(names), unless the environment variable names one file
// by its absolute path, which is then the only one tried.
func OpenOverridden(variable string, names []string) (*Library, error) {
	path := os.Getenv(variable)
	if path == "" {
		return Open(names)
	}
	if !filepath.IsAbs(path) {
		return nil, &MissingError{Library: names[0], Reason: fmt.Sprintf("%s is %q, and must be an absolute path", variable, path)}
	}
	return Open([]string{path})
}

// Path is the file that the loader took, with symbolic links resolved.
func (l *Library) Path() string { return l.path }

// Symbol returns a function's address, or a *MissingError that names it.
func (l *Library) Symbol(name string) (unsafe.Pointer, error) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	if p := C.dynamic_symbol(l.handle, c); p != nil {
		return p, nil
	}
	return nil, &MissingError{Library: l.path, Reason: "it has no function " + name + ": a newer version is needed"}
}

// Table is the addresses of n functions in C's memory, in the order of their names,
// which are C's. It is kept as long as the library. The error is a *MissingError.
func (l *Library) Table(names unsafe.Pointer, n int) (unsafe.Pointer, error) {
	table := C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(names)))
	for i, name := range unsafe.Slice((**C.char)(names), n) {
		p, err := l.Symbol(C.GoString(name))
		if err != nil {
			C.free(table)
			return nil, err
		}
		unsafe.Slice((*unsafe.Pointer)(table), n)[i] = p
	}
	return table, nil
}

func open(name string) (*Library, string) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	var path [4096]C.char
	var reason [512]C.char
	h := C.dynamic_open(c, &path[0], C.size_t(len(path)), &reason[0], C.size_t(len(reason)))
	if h == nil {
		return nil, C.GoString(&reason[0])
	}
	l := &Library{handle: h, path: C.GoString(&path[0])}
	if real, err := filepath.EvalSymlinks(l.path); err == nil {
		l.path = real
	}
	return l, ""
}

// places says where the loader looks for a name.
func places(name string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	folders, _ := SearchPath(os.Getenv("LD_LIBRARY_PATH"))
	out := []string{}
	for _, folder := range folders {
		out = append(out, filepath.Join(folder, name))
	}
	return append(out, "the loader's cache and default folders for "+name)
}
