package gpu

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bench/cuda/fakedriver"
	"bench/cuda/kernels"
	"bench/cuda/simt"
	"bench/microbench"
	"bench/microbench/doctable"
	"bench/microbench/mutation"
)

// kinds are those of these mutations, in the order of the table of docs/kernels.md.
var kinds = []mutation.Kind{mutation.Tail, mutation.Omitted, mutation.Truncated, mutation.Scaled, mutation.Stale, mutation.Index, mutation.Mask, mutation.Race, mutation.Bounds}

var everyMutation = flag.Bool("every-mutation", false, "all mutations, not those of one kernel; writes the table of docs/kernels.md")

// outcome is who sees a mutation: the comparison of the answer with its reference
// that a case makes before it is timed, the SIMT machine's watch over memory and
// barriers, or both.
type outcome struct{ Answer, Machine string }

// Every mutation of a CUDA kernel is seen: by the comparison with the reference,
// and a race or an access out of bounds, which may leave the answer as it was on the
// host, at least by the SIMT machine. -every-mutation tries all (make
// mutations); else those of one source are, which the answer alone shows.
func TestMutationsAreSeen(t *testing.T) {
	all := *everyMutation
	var numbers []int
	for n, m := range mutations {
		if all || m.Kernel == "peak_vector" {
			numbers = append(numbers, n)
		}
	}
	dir := mutantSources(t, numbers)
	plain := compiledMutants(t, dir, false)
	checked := ""
	if all {
		checked = compiledMutants(t, dir, true)
	}
	seen := map[int]outcome{}
	right := map[string]bool{}
	for _, n := range numbers {
		m := mutations[n]
		t.Run(m.Kernel+": "+m.Name, func(t *testing.T) {
			tried := func(library string) outcome {
				if key := library + m.On; !right[key] {
					if o := mutantChild(t, library, -1, m.On); o != (outcome{}) {
						t.Fatalf("%q is wrong without a mutation: %+v", m.On, o)
					}
					right[key] = true
				}
				return mutantChild(t, library, n, m.On)
			}
			o := outcome{Answer: tried(plain).Answer}
			if checked != "" && (m.Kind == mutation.Race || m.Kind == mutation.Bounds || o == outcome{}) {
				o.Machine = tried(checked).Machine
			}
			if o == (outcome{}) {
				t.Fatalf("not seen on %q", m.On)
			}
			t.Logf("answer: %s; machine: %s", o.Answer, o.Machine)
			seen[n] = o
		})
	}
	if all && len(seen) == len(mutations) {
		if err := writeMutations(seen); err != nil {
			t.Fatal(err)
		}
	}
}

// A new kernel needs mutations, and each mutation a kernel.
func TestEveryKernelHasMutations(t *testing.T) {
	count := map[string]int{}
	for _, m := range mutations {
		count[m.Kernel]++
		if len(workloadsOn(m.On)) == 0 {
			t.Errorf("%s: %s: there is no workload %q", m.Kernel, m.Name, m.On)
		}
		if !slices.Contains(kinds, m.Kind) {
			t.Errorf("%s: %s: the kind %q is not in the table", m.Kernel, m.Name, m.Kind)
		}
	}
	for _, name := range kernels.Names() {
		if count[name] < 3 {
			t.Errorf("%s.cu has %d mutations, want 3 at least", name, count[name])
		}
		delete(count, name)
	}
	for name := range count {
		t.Errorf("there is no %s.cu", name)
	}
}

// mutantSources copies the kernels' folder, with the mutations behind a switch.
func mutantSources(t *testing.T, numbers []int) (dir string) {
	t.Helper()
	root, err := simt.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "kernels")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "cuda", "simt"), filepath.Join(filepath.Dir(dir), "simt")); err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Glob(filepath.Join(root, "cuda", "kernels", "*.cu*"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range sources {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		mutated, err := mutation.Apply(name, string(text), mutations, numbers, func(n int) string { return fmt.Sprintf("bench_mutant(%d)", n+1) })
		if err != nil {
			t.Fatal(err)
		}
		if mutated != string(text) {
			mutated = "bool bench_mutant(int); " + mutated
		}
		write(name, mutated)
	}
	// Chosen when the library is loaded.
	write("mutant.cu", `#include <cstdlib>
static const char *const chosen = getenv("BENCH_MUTANT");
static const int number = chosen ? atoi(chosen) : 0;
__attribute__((no_sanitize("thread"))) bool bench_mutant(int n) { return n == number; }
`)
	return dir
}

func compiledMutants(t *testing.T, dir string, checked bool) (library string) {
	t.Helper()
	library, err := simt.CompileFrom(dir, checked)
	if errors.Is(err, simt.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return library
}

// mutantChild runs workloads in a process of its own, since a mutant may write where
// it likes, until the check of one sees mutation n; none where n is -1.
func mutantChild(t *testing.T, library string, n int, on string) (o outcome) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestMutant$", "-test.count=1")
	cmd.Env = append(os.Environ(), "BENCH_MUTANT="+fmt.Sprint(n+1), "BENCH_MUTANT_LIBRARY="+library, "BENCH_MUTANT_ON="+on, "BENCH_MUTANT_DIR="+dir)
	out, failed := cmd.CombinedOutput()
	text, err := os.ReadFile(filepath.Join(dir, "outcome"))
	if err != nil && n >= 0 && cmd.ProcessState.ExitCode() != 1 { // 1: a test failed
		return outcome{Machine: "the process crashes"}
	}
	if err != nil {
		t.Fatalf("%v\n%s", failed, out)
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestMutant is mutantChild's process.
func TestMutant(t *testing.T) {
	library, dir := os.Getenv("BENCH_MUTANT_LIBRARY"), os.Getenv("BENCH_MUTANT_DIR")
	if library == "" {
		t.Skip("run by TestMutationsAreSeen")
	}
	var o outcome
	for _, w := range workloadsOn(os.Getenv("BENCH_MUTANT_ON")) {
		if o = w.judged(t, library, filepath.Join(dir, "log")); o != (outcome{}) {
			break
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "outcome"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// judged runs a workload's check on the library of kernels, as a run does before it
// times it. log is a file that there is not yet, or that says nothing of a fault.
func (m mutationWorkload) judged(t *testing.T, library, log string) (o outcome) {
	t.Helper()
	if m.host != nil {
		h, err := simt.Open(library)
		if err != nil {
			t.Fatal(err)
		}
		o.Answer = m.host(t, h)
		return o
	}
	check, err := m.check(t, fakedriver.Truth{SIMT: library, Log: log})
	said, _ := os.ReadFile(log)
	if _, fault, ok := strings.Cut(string(said), "fault "); ok {
		o.Machine, _, _ = strings.Cut(fault, "\n")
		return o
	}
	if skip := (*microbench.SkipError)(nil); errors.As(err, &skip) {
		t.Fatalf("%s: %v", m.name(), err)
	}
	switch {
	case err != nil:
		o.Answer = err.Error()
	case check.Wrong > 0:
		o.Answer = fmt.Sprintf("%d of %d wrong of %s", check.Wrong, check.Checked, m.name())
	}
	return o
}

// The table of docs/kernels.md is of these mutations.
func TestMutationsTableIsOfTheList(t *testing.T) {
	table, err := doctable.Read(kernelsPage, "mutations")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(kernels.Names(), "all") {
		if row := mutation.Counts(mutations, kinds, name); !strings.Contains("\n"+table, "\n"+row+" ") {
			t.Errorf("%s has no row %s: run make mutations", kernelsPage, row)
		}
	}
}

const kernelsPage = "../../docs/kernels.md"

// writeMutations writes the table of docs/kernels.md.
func writeMutations(seen map[int]outcome) error {
	var b strings.Builder
	b.WriteString("| kernels | mutations |")
	for _, k := range kinds {
		fmt.Fprintf(&b, " %s |", k)
	}
	b.WriteString(" seen by the answer | by the machine alone |\n|---|--:|" + strings.Repeat("--:|", len(kinds)+2) + "\n")
	for _, name := range append(kernels.Names(), "all") {
		answer, machine := 0, 0
		for n, m := range mutations {
			switch {
			case name != "all" && m.Kernel != name:
			case seen[n].Answer != "":
				answer++
			default:
				machine++
			}
		}
		fmt.Fprintf(&b, "%s %d | %d |\n", mutation.Counts(mutations, kinds, name), answer, machine)
	}
	return doctable.Write(kernelsPage, "mutations", b.String())
}
