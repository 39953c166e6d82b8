package mutation

import (
	"fmt"
	"strings"
	"testing"
)

func TestApply(t *testing.T) {
	const text = "a = b; for (;;) c = d; c = d;"
	all := []Mutation{
		{Kernel: "k", Name: "an expression", Old: "b", New: "0", Expr: true},
		{Kernel: "k", Name: "a statement, the first after another", After: "for", Old: "c = d;", New: ";"},
		{Kernel: "k", Name: "the same place", After: "for", Old: "c = d;", New: "c = 0;"},
		{Kernel: "k", File: "h.cuh", Name: "elsewhere", Old: "x", New: "y"},
		{Kernel: "k", Name: "twice", Old: "c = d;", New: ";"},
		{Kernel: "k", Name: "nowhere", Old: "e", New: ";"},
		{Kernel: "k", Name: "after nothing", After: "while", Old: "c", New: ";"},
		{Kernel: "k", Name: "across another", Old: "= b;", New: ";"},
	}
	chosen := func(n int) string { return fmt.Sprint("on ", n) }
	for _, c := range []struct {
		numbers    []int
		want, fail string
	}{
		{nil, text, ""},
		{[]int{3}, text, ""},
		{[]int{0, 1, 2}, "a = (on 0 ? (0) : (b)); for (;;) { if (on 2) { c = 0; } else { { if (on 1) { ; } else { c = d; } } } } c = d;", ""},
		{[]int{4}, "", `twice: "c = d;" is in k.cu 2 times`},
		{[]int{5}, "", `nowhere: "e" is in k.cu 0 times`},
		{[]int{6}, "", `after nothing: "while" is not in k.cu`},
		{[]int{0, 7}, "", "overlap"},
	} {
		got, err := Apply("k.cu", text, all, c.numbers, chosen)
		if got != c.want || (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%v: %q, %v", c.numbers, got, err)
		}
	}
}

func TestByRule(t *testing.T) {
	const text = "x;\nfor (int i = 0; i < n; i += 4)\n\ts += a[i];\n__syncthreads();\nfor (int j = 0; j < 3; j++)\n\tf(j);\ncp_async_wait<1>();\n"
	all := ByRule("k", "k.cu", text, "w")
	var numbers []int
	for i := range all {
		numbers = append(numbers, i)
	}
	got, err := Apply("k.cu", text, all, numbers, func(n int) string { return fmt.Sprint("m", n) })
	const want = "x;\nfor (int i = 0; (m2 ? (i + (4) < n) : (i < n)); i += 4)\n\ts += a[i];\n{ if (m0) { ; } else { __syncthreads(); } }\n" +
		"for (int j = 0; (m3 ? (j + (1) < 3) : (j < 3)); j++)\n\tf(j);\n{ if (m1) { cp_async_wait<(1) + 1>(); } else { cp_async_wait<1>(); } }\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, got)
	}
	if all[0].Name != "k.cu:4: a barrier is left out: __syncthreads();" {
		t.Error(all[0].Name)
	}
	if few := ByRule("k", "k.cu", text, "w", "__syncthreads(); for (int j", "for (int i = 0; i < m"); len(few) != len(all)-1 {
		t.Errorf("%d of %d", len(few), len(all))
	}
}
