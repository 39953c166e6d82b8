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

// lines are how many lines each section of CLAIMS.md has, with CLAIMS-MORE.md.
var lines = map[string]int{"S1": 7, "S2": 6, "S3": 7, "S4": 6, "S5": 6, "S6": 5, "S7": 7, "S8": 3, "S9": 5, "S10": 9, "S11": 6, "S12": 10}

// ids lists every line of both, S1.1 to S12.10.
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
	if len(want) != 77 {
		t.Fatalf("%d lines, want the 64 of CLAIMS.md and the 13 of CLAIMS-MORE.md", len(want))
	}
	for _, id := range want {
		if _, err := Rows([]string{id}, Options{}); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, file := range []string{"CLAIMS.md", "CLAIMS-MORE.md"} {
		b, err := os.ReadFile("../../../shared/" + file)
		if err != nil {
			t.Skip("no ../shared/" + file + ": its ids are not compared")
		}
		for _, m := range regexp.MustCompile(`(?m)^- (S\d+\.\d+) `).FindAllSubmatch(b, -1) {
			if !slices.Contains(want, string(m[1])) {
				t.Errorf("%s has %s, which is not in the list", file, m[1])
			}
		}
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
		got, e := judge(&c.published, c.relation, c.computed, c.missing, false)
		if got != c.want || math.Abs(e-c.err) > 1e-9 {
			t.Errorf("%v %s %v (missing %v): %s %+.3f, want %s %+.3f", c.published, c.relation, c.computed, c.missing, got, e, c.want, c.err)
		}
	}
	// What does not fit does not nearly fit.
	one := at(1)
	for x, want := range map[float64]Verdict{1: Reproduced, 1.01: Contradicted, 0.2: Reproduced} {
		if got, _ := judge(&one, AtMost, at(x), false, true); got != want {
			t.Errorf("a limit of 1 at %g: %s", x, got)
		}
	}
	if got, _ := judge(nil, "", at(1), true, false); got != Needs {
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

// A row is an identity where no input moves its verdict, and only there: each is
// set to half and to twice of what it is.
func TestIdentities(t *testing.T) {
	all, err := Rows(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, r := range all {
		if !r.Identity {
			continue
		}
		n++
		if r.Verdict != Reproduced {
			t.Errorf("%s is an identity and is %s", r.ID, r.Verdict)
		}
		for _, a := range r.Assumptions {
			for _, by := range []float64{0.5, 2} {
				x := a.Value.Mid() * by
				if strings.HasPrefix(a.Source, "definition") || x > 1 && a.Name == "acceptance" {
					continue // neither can be otherwise
				}
				if base()[a.Name].Whole {
					x = math.Max(1, math.Round(x))
				}
				// Rows of search or draws take a second each: their bounds hold by construction.
				if strings.HasPrefix(r.ID, "S7.3") || strings.HasPrefix(r.ID, "S9.3b") || strings.Contains(a.Name, "ring_passes") {
					continue
				}
				got, err := Rows([]string{r.ID}, Options{Set: map[string]float64{a.Name: x}})
				if err != nil || got[0].Verdict != Reproduced && !strings.HasPrefix(got[0].Answer, "No answer") {
					t.Errorf("%s with %s = %g: %s (%v)", r.ID, a.Name, x, got[0].Verdict, err)
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("%d identities", n)
	}
}

// What is printed is what is evaluated: a change of the text is a change of the
// figure, and a mistake in it is said.
func TestFormulas(t *testing.T) {
	v := &values{known: base()}
	for text, want := range map[string]float64{
		"2 × ring(tp)":          2 * 2 * 7.0 / 8,
		"ring(tp) − 1 / 4":      1.5,
		"−(2 − 5) × 2":          6,
		"min(3, 2) / pow(2, 3)": 0.25,
		"h100.node_size":        8,
	} {
		if got := v.eval(text); v.err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s = %g, want %g (%v)", text, got, want, v.err)
		}
	}
	for _, text := range []string{"no_such", "no_such(1)", "2 +", "h100.no_such", "\"text\"", "ring(1, 2)", "a100 & 3"} {
		v := &values{known: base()}
		if v.eval(text); v.err == nil {
			t.Errorf("%s is evaluated", text)
		}
	}
}
