package claims

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lines are how many lines each section of CLAIMS.md has.
var lines = map[string]int{"S1": 6, "S2": 5, "S3": 5, "S4": 4, "S5": 5, "S6": 5, "S7": 5, "S8": 2, "S9": 5, "S10": 7, "S11": 5, "S12": 10}

// ids lists every line of CLAIMS.md, S1.1 to S12.10.
func ids() (out []string) {
	for s := 1; s <= len(lines); s++ {
		for l := 1; l <= lines[fmt.Sprintf("S%d", s)]; l++ {
			out = append(out, fmt.Sprintf("S%d.%d", s, l))
		}
	}
	return out
}

// Every line of CLAIMS.md has a row; the list above is that file's, where it is
// at hand.
func TestEveryClaimHasARow(t *testing.T) {
	want := ids()
	if len(want) != 64 {
		t.Fatalf("%d lines, want the 64 of CLAIMS.md", len(want))
	}
	for _, id := range want {
		if _, err := Rows([]string{id}, Options{}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	b, err := os.ReadFile("../../../shared/CLAIMS.md")
	if err != nil {
		t.Skip("no ../shared/CLAIMS.md: its ids are not compared")
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^- (S\d+\.\d+) `).FindAllSubmatch(b, -1) {
		got = append(got, string(m[1]))
	}
	if !slices.Equal(got, want) {
		t.Errorf("CLAIMS.md has %v", got)
	}
}

// What a row must carry for a reader to judge it.
func TestRowsAreComplete(t *testing.T) {
	rows, err := Rows(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			t.Errorf("%s twice", r.ID)
		}
		seen[r.ID] = true
		if r.Claim == "" || r.Formula == "" || r.Unit == "" || len(r.Assumptions) == 0 {
			t.Errorf("%s lacks a claim, formula, unit or assumption", r.ID)
		}
		if strings.ContainsAny(r.Formula+r.Worked+r.Answer+r.ContradictedBy+r.Correction, "{}") {
			t.Errorf("%s: an input is not filled in: %s | %s", r.ID, r.Formula, r.Worked)
		}
		missing := false
		for _, a := range r.Assumptions {
			missing = missing || a.Missing
			if a.Source == "" || a.Unit == "" {
				t.Errorf("%s: input %s has no source or unit", r.ID, a.Name)
			}
		}
		switch r.Verdict {
		case Contradicted:
			if r.ContradictedBy == "" || r.Correction == "" {
				t.Errorf("%s is contradicted, and does not say by what or what would make it hold", r.ID)
			}
		case Needs:
			if !missing {
				t.Errorf("%s needs an input, and none is missing", r.ID)
			}
		case Reproduced, Close:
			if r.Published == nil {
				t.Errorf("%s is %s without a published figure", r.ID, r.Verdict)
			}
		}
		if r.Published == nil && r.Error != nil {
			t.Errorf("%s has an error without a published figure", r.ID)
		}
	}
}

// The rule of CLAIMS.md, case by case.
func TestJudge(t *testing.T) {
	at := func(x float64) Span { return Span{x, x} }
	for _, c := range []struct {
		published Span
		relation  Relation
		computed  Span
		missing   bool
		want      Verdict
		err       float64
	}{
		{at(100), "", at(105), false, Reproduced, 0.05},
		{at(100), "", at(94), false, Close, -0.06},
		{at(100), "", at(125), false, Close, 0.25},
		{at(100), "", at(126), false, Contradicted, 0.26},
		{Span{90, 100}, "", at(95), false, Reproduced, 0},
		{Span{90, 100}, "", at(110), false, Close, 0.10},
		{at(100), "", Span{80, 130}, false, Reproduced, 0},    // a stated range holds it
		{at(100), "", Span{80, 90}, false, Close, -0.15},      // judged by its middle
		{at(100), "", Span{80, 130}, true, Needs, 0},          // by what is missing
		{at(100), "", Span{98, 103}, true, Reproduced, 0},     // both ends are within 5 %
		{at(100), "", Span{101, 103}, true, Reproduced, 0.01}, // whatever is missing, it holds
		{at(100), "", Span{200, 300}, true, Contradicted, 1},  // whatever is missing, it does not
		{at(10), AtLeast, at(50), false, Reproduced, 0},
		{at(10), AtLeast, at(9), false, Close, -0.1},
		{at(10), AtMost, at(50), false, Contradicted, 4},
		{at(10), AtMost, Span{5, 50}, true, Needs, 0},
	} {
		got, e := judge(&c.published, c.relation, c.computed, c.missing)
		if got != c.want || math.Abs(e-c.err) > 1e-9 {
			t.Errorf("%v %s %v (missing %v): %s %+.3f, want %s %+.3f", c.published, c.relation, c.computed, c.missing, got, e, c.want, c.err)
		}
	}
	if got, _ := judge(nil, "", at(1), true); got != Needs {
		t.Errorf("without a published figure: %s", got)
	}
}

// S4 matches S4.3a, S4.3 does too, and S1 is not S11.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		row, id string
		want    bool
	}{
		{"S4.3a", "S4", true}, {"S4.3a", "s4.3", true}, {"S4.3a", "S4.3a", true}, {"S4.3a", "S4.3b", false},
		{"S11.1", "S1", false}, {"S1.1", "S1", true}, {"S12.10", "S12.1", false}, {"S4.3", "", false},
	} {
		if got := matches(c.row, c.id); got != c.want {
			t.Errorf("matches(%q, %q) = %v", c.row, c.id, got)
		}
	}
}

// A workload that a row names can be run.
func TestWorkloadsAreValid(t *testing.T) {
	n := 0
	for _, section := range sections() {
		for _, c := range section {
			if c.workload == nil {
				continue
			}
			n++
			if err := c.workload.Validate(); err != nil {
				t.Errorf("%s: %v", c.id, err)
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d rows name a workload", n)
	}
}
