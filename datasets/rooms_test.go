package datasets

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms says which other rooms each may import (DESIGN, "Rooms"). A room may
// always import itself and its sub-packages. cmd and tools may import all, and
// nothing may import them.
var rooms = map[string][]string{
	"datasets":   {},
	"predict":    {"datasets"},
	"cuda":       {},
	"probes":     {"datasets"},
	"microbench": {"datasets", "cuda", "probes"},
	"reports":    {"datasets", "predict"},
	"cmd":        {"datasets", "predict", "cuda", "probes", "microbench", "reports"},
	"tools":      {"datasets", "predict", "cuda", "probes", "microbench", "reports"},
}

// mayNot says which packages of the standard library a room's own code must do
// without, so that its one job is all that it can do: predict is pure.
var mayNot = map[string][]string{
	"predict": {"os", "time", "net", "math/rand", "io/ioutil", "syscall", "C"},
}

// onlyInTests is the import that no package may have but in its tests. Tests are
// otherwise free, so as to check a model against recorded measurements.
const onlyInTests = "github.com/duckdb/duckdb-go/v2"

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != ".." && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin" || name == "shared") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, complaint := range importComplaints(filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator))), source) {
			t.Error(complaint)
		}
		seen[strings.Split(filepath.ToSlash(path), "/")[1]] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"datasets", "predict", "probes", "microbench", "reports", "cmd"} {
		if !seen[room] {
			t.Errorf("no Go file of %s was looked at", room)
		}
	}
}

// importComplaints says what a file imports against the rules. The file's path
// is from the repository's root.
func importComplaints(path string, source []byte) (complaints []string) {
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.ImportsOnly)
	if err != nil {
		return []string{err.Error()}
	}
	room, _, nested := strings.Cut(path, "/")
	if !nested {
		return nil // the repository's root has no code of a room
	}
	allowed, known := rooms[room]
	if !known {
		return []string{path + ": " + room + " is not a room: see DESIGN's list"}
	}
	test := strings.HasSuffix(path, "_test.go")
	for _, i := range file.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return append(complaints, path+": "+err.Error())
		}
		if p == onlyInTests && !test {
			complaints = append(complaints, path+": "+p+" is for tests only")
		}
		if ours, ok := strings.CutPrefix(p, "bench/"); ok && !test {
			other, _, _ := strings.Cut(ours, "/")
			if other != room && !slices.Contains(allowed, other) {
				complaints = append(complaints, path+": "+room+" may not import "+p)
			}
		}
		if !test {
			for _, banned := range mayNot[room] {
				if p == banned || strings.HasPrefix(p, banned+"/") && banned != "math/rand" {
					complaints = append(complaints, path+": "+room+" is pure and may not import "+p)
				}
			}
		}
	}
	return complaints
}

// The rules bite.
func TestImportComplaints(t *testing.T) {
	for _, c := range []struct {
		path, imports, want string
	}{
		{"predict/x.go", `"bench/datasets"; "math"`, ""},
		{"predict/x.go", `"bench/microbench"`, "predict may not import bench/microbench"},
		{"predict/gemm/x.go", `"bench/predict"; "bench/datasets/catalog"`, ""},
		{"predict/gemm/x.go", `"time"`, "predict is pure and may not import time"},
		{"predict/x.go", `"os/exec"`, "predict is pure and may not import os/exec"},
		{"predict/x.go", `"math/rand/v2"`, ""},
		{"predict/x.go", `"math/rand"`, "predict is pure and may not import math/rand"},
		{"predict/x_test.go", `"os"; "bench/datasets/importers"`, ""},
		{"microbench/host/x.go", `"bench/predict"`, "microbench may not import bench/predict"},
		{"microbench/host/x.go", `"bench/probes"; "time"; "C"`, ""},
		{"datasets/x.go", `"bench/probes"`, "datasets may not import bench/probes"},
		{"datasets/x.go", `_ "github.com/duckdb/duckdb-go/v2"`, "is for tests only"},
		{"reports/x.go", `"bench/microbench"`, "reports may not import bench/microbench"},
		{"cuda/x.go", `"bench/datasets"`, "cuda may not import bench/datasets"},
		{"cmd/bench/x.go", `"bench/microbench/host"`, ""},
		{"tools/x/main.go", `"bench/microbench/host"; "bench/predict"; "os"`, ""},
		{"cmd/bench/x.go", `"bench/tools/x"`, "cmd may not import bench/tools/x"},
		{"util/x.go", `"os"`, "util is not a room"},
	} {
		got := importComplaints(c.path, []byte("package x\nimport ("+c.imports+")\n"))
		if (c.want == "") != (len(got) == 0) || len(got) > 0 && !strings.Contains(got[0], c.want) {
			t.Errorf("%s importing %s: %q, want %q", c.path, c.imports, got, c.want)
		}
	}
}
