package dynamic

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The C library is everywhere that a cgo program runs.
const here = "libc.so.6"

func TestOpenAndSymbol(t *testing.T) {
	l, err := Open([]string{"libnosuch.so.1", here})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(l.Path()) {
		t.Errorf("path %q is not absolute", l.Path())
	}
	if p, err := l.Symbol("malloc"); err != nil || p == nil {
		t.Errorf("malloc: %v, %v", p, err)
	}
	_, err = l.Symbol("no_such_function")
	var missing *MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "no_such_function") || !strings.Contains(err.Error(), l.Path()) {
		t.Errorf("a missing symbol: %v", err)
	}
	if again, err := Open([]string{l.Path()}); err != nil || again.Path() != l.Path() {
		t.Errorf("by its absolute path: %v, %v", again, err)
	}
}

func TestRefusals(t *testing.T) {
	notALibrary := filepath.Join(t.TempDir(), "libtext.so")
	if err := os.WriteFile(notALibrary, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
	}{
		{"libnosuch.so.1", "libnosuch.so.1: it is not installed (looked in "},
		{"/nowhere/libnosuch.so.1", "/nowhere/libnosuch.so.1: it is not installed (looked in /nowhere/libnosuch.so.1)"},
		{"./libc.so.6", "relative path, which is refused"},
		{"lib/libc.so.6", "relative path, which is refused"},
		{notALibrary, "it does not load: "},
	} {
		_, err := Open([]string{c.name})
		var missing *MissingError
		if !errors.As(err, &missing) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestSearchPath(t *testing.T) {
	for value, want := range map[string]string{
		"":                       "[] []",
		"/a:/b;/c":               `["/a" "/b" "/c"] []`,
		":/a":                    `["/a"] [""]`,
		"/a:":                    `["/a"] [""]`,
		"/a::b;./c":              `["/a"] ["" "b" "./c"]`,
		":":                      `[] ["" ""]`,
		"$ORIGIN/lib:${ORIGIN}":  `["$ORIGIN/lib" "${ORIGIN}"] []`,
		"$LIB:${PLATFORM}:..:/.": `["/."] ["$LIB" "${PLATFORM}" ".."]`,
	} {
		absolute, relative := SearchPath(value)
		if got := fmt.Sprintf("%q %q", absolute, relative); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestOverride(t *testing.T) {
	l, err := Open([]string{here})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BENCH_LIBTEST", l.Path())
	if o, err := OpenOverridden("BENCH_LIBTEST", []string{"libnosuch.so"}); err != nil || o.Path() != l.Path() {
		t.Errorf("an absolute override: %v, %v", o, err)
	}
	t.Setenv("BENCH_LIBTEST", "libc.so.6")
	if _, err := OpenOverridden("BENCH_LIBTEST", []string{here}); err == nil || !strings.Contains(err.Error(), "BENCH_LIBTEST is \"libc.so.6\", and must be an absolute path") {
		t.Errorf("a relative override: %v", err)
	}
}
