// Vulncheck runs govulncheck, where it is installed, and judges what it finds:
//
//	go run ./tools/vulncheck ./cmd/bench
//
// A known vulnerability of a module that the program's own calls reach fails (exit 1).
// One of the standard library is the installed Go's, not the program's: it is a notice
// that names the mended Go. Where vuln.go.dev cannot be reached, the database comes from
// the module proxy; where neither can, that is said and passes.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "vulncheck: name the packages, such as ./cmd/bench")
		os.Exit(2)
	}
	if _, err := exec.LookPath("govulncheck"); err != nil {
		fmt.Println("lint: govulncheck is not installed; known vulnerabilities are not looked for")
		return
	}
	out, err := scan(os.Args[1:])
	if err != nil {
		fmt.Printf("lint: %v; known vulnerabilities are not looked for\n", err)
		return
	}
	called, err := calledIn(bytes.NewReader(out))
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
	text, failed := verdict(called)
	fmt.Print(text)
	if failed {
		os.Exit(1)
	}
}

// scan is govulncheck's JSON. With that, it ends with 0 whatever it finds.
func scan(packages []string) ([]byte, error) {
	out, err := govulncheck(packages)
	if err == nil || !strings.Contains(err.Error(), "fetching vulnerabilities") {
		return out, err
	}
	dir, err := os.MkdirTemp("", "vulndb")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	version, err := writeDatabase(dir)
	if err != nil {
		return nil, fmt.Errorf("govulncheck cannot reach its database, and %w", err)
	}
	fmt.Println("lint: govulncheck with golang.org/x/vulndb", version)
	return govulncheck(append([]string{"-db", "file://" + dir}, packages...))
}

func govulncheck(args []string) ([]byte, error) {
	const limit = 5 * time.Minute
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, "govulncheck", append([]string{"-format", "json"}, args...)...)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("govulncheck did not end within %v", limit)
	case err != nil:
		return nil, fmt.Errorf("govulncheck fails: %s", strings.TrimSpace(said.String()))
	}
	return out, nil
}

// finding is what is needed of govulncheck's message of that name. The trace's first
// frame is the vulnerable symbol, its last the program's own call; a finding without a
// function is of a package or module that is only required.
type finding struct {
	OSV   string `json:"osv"`
	Fixed string `json:"fixed_version"`
	Trace []struct {
		Module, Version, Package, Function string
	} `json:"trace"`
}

const standardLibrary = "stdlib"

// calledIn are the findings whose vulnerable function is called, one a vulnerability.
func calledIn(r io.Reader) (called []finding, err error) {
	for d := json.NewDecoder(r); ; {
		var message struct{ Finding *finding }
		if err := d.Decode(&message); errors.Is(err, io.EOF) {
			return called, nil
		} else if err != nil {
			return nil, fmt.Errorf("govulncheck's output cannot be read: %w", err)
		}
		f := message.Finding
		if f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" && !slices.ContainsFunc(called, func(c finding) bool { return c.OSV == f.OSV }) {
			called = append(called, *f)
		}
	}
}

// verdict words the findings. Only a module's fail.
func verdict(called []finding) (text string, failed bool) {
	var b strings.Builder
	var standard []string
	mended := ""
	for _, f := range called {
		at := f.Trace[0]
		if at.Module == standardLibrary {
			standard = append(standard, f.OSV)
			if newer(f.Fixed, mended) {
				mended = f.Fixed
			}
			continue
		}
		failed = true
		fmt.Fprintf(&b, "%s: %s %s, %s.%s is called; mended in %s: https://pkg.go.dev/vuln/%s\n", f.OSV, at.Module, at.Version, at.Package, at.Function, f.Fixed, f.OSV)
	}
	if len(standard) > 0 {
		fmt.Fprintf(&b, "lint: notice: the installed Go's standard library has %d known vulnerabilities that are called (%s); build with Go %s or later\n",
			len(standard), strings.Join(standard, ", "), strings.TrimPrefix(mended, "v"))
	}
	if !failed {
		fmt.Fprintln(&b, "lint: no known vulnerability of a module is called")
	}
	return b.String(), failed
}

// newer compares versions such as v1.26.10, number by number.
func newer(a, b string) bool {
	numbers := func(s string) (n []int) {
		for _, part := range strings.Split(strings.TrimPrefix(s, "v"), ".") {
			v, _ := strconv.Atoi(part)
			n = append(n, v)
		}
		return n
	}
	return slices.Compare(numbers(a), numbers(b)) > 0
}
