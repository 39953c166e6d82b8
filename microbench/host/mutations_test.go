package host

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every mutation of a kernel's source is seen by the check of its answer. One
// build holds them all, behind a switch; it is not the build that measures.
// BENCH_MUTATIONS=all tries all (make mutations); else a few of one source are.
func TestMutationsAreSeen(t *testing.T) {
	var numbers []int
	for n, m := range mutations {
		if os.Getenv("BENCH_MUTATIONS") == "all" || m.File == "latency.c" {
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
	fmt.Fprintf(&b, "| source | mutations | %s |\n|---|%s\n", strings.Join(kinds, " | "), strings.Repeat("--:|", len(kinds)+1))
	var files []string
	for _, m := range mutations {
		if !slices.Contains(kinds, m.Kind) {
			t.Errorf("%s: there is no kind %q", m.Name, m.Kind)
		}
		if !slices.Contains(files, m.File) {
			files = append(files, m.File)
		}
	}
	for _, file := range append(files, "all") {
		of, all := map[string]int{}, 0
		for _, m := range mutations {
			if file == "all" || m.File == file {
				of[m.Kind]++
				all++
			}
		}
		fmt.Fprintf(&b, "| %s | %d |", file, all)
		for _, k := range kinds {
			fmt.Fprintf(&b, " %s |", strings.TrimPrefix(fmt.Sprint(of[k]), "0"))
		}
		b.WriteString("\n")
	}
	const path, begin, end = "../../docs/measuring.md", "<!-- begin: make mutations -->\n", "<!-- end: make mutations -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(doc), begin)
	have, after, ok := strings.Cut(rest, end)
	switch {
	case !ok:
		t.Errorf("%s has no place for the table of mutations", path)
	case have != b.String() && os.Getenv("BENCH_MUTATIONS") == "all":
		if err := os.WriteFile(path, []byte(before+begin+b.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case have != b.String():
		t.Errorf("%s is not of the list: run make mutations\n%s", path, b.String())
	}
}

// writeMutants writes the mutated sources and the overlay that puts them in the
// originals' place, and returns the overlay's path.
func writeMutants(t *testing.T, numbers []int) string {
	t.Helper()
	type edit struct {
		at, end int
		text    string
	}
	edits, dir := map[string][]edit{}, t.TempDir()
	for _, n := range numbers {
		m := mutations[n]
		source, err := os.ReadFile(m.File)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, found := strings.Cut(string(source), m.After)
		if !found {
			t.Fatalf("%s: %q is not in %s", m.Name, m.After, m.File)
		}
		if n := strings.Count(rest, m.Old); n == 0 || n > 1 && m.After == "" {
			t.Fatalf("%s: %q is in %s %d times", m.Name, m.Old, m.File, n)
		}
		from := len(source) - len(rest)
		at := strings.Index(rest, m.Old)
		text := fmt.Sprintf("{ if (bench_mutant == %d) { %s } else { %s } }", n+1, m.New, m.Old)
		if m.Expr {
			text = fmt.Sprintf("(bench_mutant == %d ? (%s) : (%s))", n+1, m.New, m.Old)
		}
		edits[m.File] = append(edits[m.File], edit{from + at, from + at + len(m.Old), text})
	}
	replace := map[string]string{}
	for file, list := range edits {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(list, func(a, b edit) int { return b.at - a.at })
		text := string(source)
		for i, e := range list {
			if i > 0 && e.end > list[i-1].at {
				t.Fatalf("two mutations of %s overlap at %q", file, text[e.at:e.end])
			}
			text = text[:e.at] + e.text + text[e.end:]
		}
		text = "extern int bench_mutant; void bench_late(void);\n" + text
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		replace[path] = filepath.Join(dir, file)
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
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
