//go:build mutants

package host

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"bench/datasets"
	"bench/microbench"
)

// In a build of the mutated sources the kernels are right without a mutation,
// and the check of at least one workload sees each mutation.
func TestMutants(t *testing.T) {
	var numbers []int
	if err := json.Unmarshal([]byte(os.Getenv("BENCH_MUTANTS")), &numbers); err != nil {
		t.Fatal("run by TestMutationsAreSeen: ", err)
	}
	b, err := New(Options{Library: "builtin", oversubscribe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	check := func(w datasets.Workload) (wrong int64, skipped bool) {
		c, err := b.Prepare(w)
		if _, skip := err.(*microbench.SkipError); skip {
			return 0, true
		}
		if err != nil {
			t.Fatalf("%s: %v", w.Key(), err)
		}
		defer c.Close()
		k, err := c.Check()
		if err != nil {
			t.Fatalf("%s: %v", w.Key(), err)
		}
		return k.Wrong, false
	}
	all := mutationWorkloads()
	for _, n := range numbers {
		m := mutations[n]
		seen, ran := "", 0
		for _, w := range all[m.On] {
			setMutant(0)
			if wrong, skipped := check(w); skipped {
				continue
			} else if wrong != 0 {
				t.Errorf("%s is wrong without a mutation", w.Key())
			}
			ran++
			setMutant(n + 1)
			if wrong, _ := check(w); wrong > 0 {
				seen = fmt.Sprintf("%d wrong of %s", wrong, w.Key())
				break
			}
		}
		setMutant(0)
		switch {
		case seen != "":
			t.Logf("seen: %s: %s", m.Name, seen)
		case ran == 0 && len(all[m.On]) > 0:
			t.Logf("not run: %s: this CPU runs none of %s", m.Name, m.On)
		default:
			t.Errorf("not seen: %s, on %d workloads of %s", m.Name, ran, m.On)
		}
	}
}
