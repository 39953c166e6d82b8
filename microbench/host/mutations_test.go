package host

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bench/microbench/doctable"
	"bench/microbench/mutation"
)

var everyMutation = flag.Bool("every-mutation", false, "all mutations, not those of one source; writes the table of docs/measuring.md")

// Every mutation of a kernel's source is seen by the check of its answer. One
// build holds them all, behind a switch; it is not the build that measures.
// -every-mutation tries all (make mutations); else a few of one source are.
func TestMutationsAreSeen(t *testing.T) {
	var numbers []int
	for n, m := range mutations {
		if *everyMutation || m.File == "latency.c" {
			numbers = append(numbers, n)
		}
	}
	overlay := writeMutants(t, numbers)
	list, err := json.Marshal(numbers)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-tags", "mutants", "-overlay", overlay, "-count=1", "-v", "-run", "^TestMutants$", ".")
	cmd.Env = append(os.Environ(), "BENCH_MUTANTS="+string(list))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	if seen := strings.Count(string(out), " seen: ") + strings.Count(string(out), " not run: "); seen != len(numbers) {
		t.Errorf("%d of %d mutations were tried\n%s", seen, len(numbers), out)
	}
	t.Logf("%s", out)
}

// The table of docs/measuring.md is of these mutations; make mutations writes it.
func TestMutationsTable(t *testing.T) {
	var b strings.Builder
	b.WriteString("| source | mutations |")
	for _, k := range kinds {
		fmt.Fprintf(&b, " %s |", k)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("--:|", len(kinds)+1))
	for _, file := range append(mutatedFiles(), "all") {
		b.WriteString(mutation.Counts(mutations, kinds, file) + "\n")
	}
	for _, m := range mutations {
		if !slices.Contains(kinds, m.Kind) {
			t.Errorf("%s: the kind %q is not in the table", m.Name, m.Kind)
		}
	}
	const path, target = "../../docs/measuring.md", "mutations"
	have, err := doctable.Read(path, target)
	if err == nil && have != b.String() && *everyMutation {
		err, have = doctable.Write(path, target, b.String()), b.String()
	}
	if err != nil {
		t.Fatal(err)
	}
	if have != b.String() {
		t.Errorf("%s is not of the list: run make mutations\n%s", path, b.String())
	}
}

// mutatedFiles are the sources with mutations, in the list's order.
func mutatedFiles() (files []string) {
	for _, m := range mutations {
		if !slices.Contains(files, m.File) {
			files = append(files, m.File)
		}
	}
	return files
}

// writeMutants writes the mutated sources and the overlay that puts them in the
// originals' place, and returns the overlay's path.
func writeMutants(t *testing.T, numbers []int) string {
	t.Helper()
	dir, replace := t.TempDir(), map[string]string{}
	for _, file := range mutatedFiles() {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := mutation.Apply(file, string(source), mutations, numbers, func(n int) string { return fmt.Sprintf("bench_mutant == %d", n+1) })
		if err != nil {
			t.Fatal(err)
		}
		if text == string(source) {
			continue
		}
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		replace[path] = filepath.Join(dir, file)
		if err := os.WriteFile(replace[path], []byte("extern int bench_mutant; void bench_late(void);\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return overlay
}
