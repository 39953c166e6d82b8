package gate

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/reports"
)

// Schema names the form of a JSON decision.
const Schema = "bench.gate/1"

// listed is how many findings of one outcome a page for people spells out.
const listed = 40

// Sentence says what was found: what, by how much, against what, since when.
func (f *Finding) Sentence() string {
	if f.MeasuredS == 0 || f.Ratio == 0 {
		return f.Why
	}
	than := "the nights before"
	if f.Against == AgainstModel {
		than = "the prediction"
	}
	s := fmt.Sprintf("%s, %s %s (%s)", reports.Seconds(f.MeasuredS), by(f.Ratio), than, reports.Seconds(f.ExpectedS))
	switch f.Outcome {
	case Fail, Improved, Waived:
		if f.Since != "" {
			s += fmt.Sprintf(", since %s, after %s", f.Since, reports.Plural(f.Before, "night"))
		}
		if f.Against == AgainstModel {
			s += fmt.Sprintf("; the known error is %s, and %s with its margin (%s)", reports.SignedPercent(f.KnownError-1), reports.SignedPercent(f.Limit-1), f.Known)
		}
		if f.Binds != "" {
			s += "; " + f.Binds + " binds"
		}
	}
	if f.Why != "" {
		s = f.Why
	}
	if f.Waiver != "" {
		s += "; waiver: " + f.Waiver
	}
	return s
}

// by words a ratio of times.
func by(ratio float64) string {
	switch {
	case ratio >= 2:
		return fmt.Sprintf("%.2f × the time of", ratio)
	case ratio >= 1:
		return reports.Percent(ratio-1) + " slower than"
	}
	return reports.Percent(1-ratio) + " faster than"
}

func (f *Finding) causes() string {
	if len(f.Causes) == 0 {
		return ""
	}
	return "likeliest cause: " + strings.Join(f.Causes, "; ")
}

// Write renders the decision: the verdict, what failed and why, what is waived
// or improved, the suites, and what could not be told.
func Write(p *reports.Page, r *Result) error {
	p.Title(1, fmt.Sprintf("%s: %s", strings.ToUpper(string(r.Outcome)), r.subject()))
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Simulated }) {
		p.Line("SIMULATED rows are among these: this says nothing about hardware.")
	}
	for _, n := range r.Notes {
		p.Line("Note: " + n)
	}
	for _, part := range []struct {
		outcome Outcome
		title   string
	}{{Fail, "Failed"}, {Waived, "Failed, and waived"}, {Improved, "Improved"}} {
		var lines []string
		for i := range r.Findings {
			f := &r.Findings[i]
			if f.Outcome != part.outcome {
				continue
			}
			s := fmt.Sprintf("%s%s on %s: %s", f.Key, uuid(f), f.Device, f.Sentence())
			if c := f.causes(); c != "" && f.Outcome == Fail {
				s += ". " + strings.ToUpper(c[:1]) + c[1:]
			}
			lines = append(lines, s+".")
		}
		if len(lines) > 0 {
			p.Title(2, fmt.Sprintf("%s (%s)", part.title, reports.Count(len(lines))))
			p.List(head(lines))
		}
	}
	if len(r.Suites) > 0 {
		p.Title(2, "By suite")
		var lines [][]string
		for _, s := range r.Suites {
			line := []string{s.Suite, s.Device, s.Against, string(s.Outcome)}
			for _, o := range []Outcome{Fail, Waived, Improved, Pass, CantTell} {
				line = append(line, reports.Count(s.Counts[o]))
			}
			lines = append(lines, line)
		}
		p.Table([]string{"suite", "device", "against", "outcome", "fail", "waived", "improved", "pass", "can't tell"}, lines, 5, 6, 7, 8, 9)
	}
	if why := r.untold(); len(why) > 0 {
		p.Title(2, "What could not be told")
		p.List(head(why))
	}
	if len(r.Waivers) > 0 {
		p.Title(2, "Waivers")
		var lines []string
		for i := range r.Waivers {
			lines = append(lines, r.Waivers[i].sentence())
		}
		p.List(lines)
	}
	return p.Err()
}

func (r *Result) subject() string {
	what := "nothing"
	if len(r.Night) > 0 {
		what = r.Night[len(r.Night)-1].ID
		if n := len(r.Night); n > 1 {
			what = fmt.Sprintf("%d runs to %s", n, what)
		}
	}
	var against []string
	if r.History > 0 {
		against = append(against, reports.Plural(r.History, "night")+" before")
	}
	if r.Options.Model {
		against = append(against, "the model")
	}
	if len(against) == 0 {
		return what
	}
	return what + " against " + strings.Join(against, " and ")
}

// untold counts why nothing could be told, numbers left out so that like
// reasons are one.
func (r *Result) untold() []string {
	counts := map[string]int{}
	example := map[string]*Finding{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Outcome != CantTell {
			continue
		}
		kind := f.Suite + "\x00" + f.Device + "\x00" + f.Against + "\x00" + strings.Map(func(c rune) rune {
			if c >= '0' && c <= '9' || c == '.' {
				return -1
			}
			return c
		}, f.Why)
		counts[kind]++
		if example[kind] == nil {
			example[kind] = f
		}
	}
	var kinds []string
	for k := range counts {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	out := make([]string, len(kinds))
	for i, k := range kinds {
		f := example[k]
		out[i] = fmt.Sprintf("%s × %s on %s against %s, such as %s: %s", reports.Count(counts[k]), f.Suite, f.Device, f.Against, f.Label, f.Why)
		if counts[k] == 1 {
			out[i] = fmt.Sprintf("%s on %s against %s: %s", f.Key, f.Device, f.Against, f.Why)
		}
	}
	return out
}

func head(lines []string) []string {
	if len(lines) <= listed {
		return lines
	}
	return append(slices.Clone(lines[:listed]), fmt.Sprintf("… %s more (--format json)", reports.Count(len(lines)-listed)))
}

func (w *Waiver) sentence() string {
	state := fmt.Sprintf("until %s", w.Until)
	if w.Expired {
		state = fmt.Sprintf("EXPIRED on %s and no longer counts", w.Until)
	}
	used := fmt.Sprintf("waived %d", w.Used)
	switch {
	case w.Matched == 0:
		used = "names no workload of this run"
	case w.Used == 0 && !w.Expired:
		used = "was not needed: nothing that it names failed"
	case w.Expired:
		used = fmt.Sprintf("names %d workloads", w.Matched)
	}
	return fmt.Sprintf("%s, %s: %s; %s", w.Pattern, state, w.Reason, used)
}

// JSON writes the whole decision, schema bench.gate/1.
func JSON(w io.Writer, r *Result) error {
	for i := range r.Findings {
		// JSON has no infinity: a limit beyond all bounds is none.
		if f := &r.Findings[i]; math.IsInf(f.Limit, 0) || math.IsNaN(f.Limit) {
			f.Limit = 0
		}
	}
	doc := struct {
		Schema   string          `json:"schema"`
		Outcome  Outcome         `json:"outcome"`
		Night    []datasets.Meta `json:"night"`
		History  int             `json:"history_nights"`
		Alpha    float64         `json:"alpha"`
		Within   float64         `json:"within"`
		See      float64         `json:"see"`
		Notes    []string        `json:"notes"`
		Suites   []SuiteCount    `json:"suites"`
		Findings []Finding       `json:"findings"`
		Waivers  []Waiver        `json:"waivers"`
	}{Schema, r.Outcome, reports.NonNil(r.Night), r.History, r.Options.Alpha, r.Options.Within, r.Options.See, reports.NonNil(r.Notes), reports.NonNil(r.Suites), reports.NonNil(r.Findings), reports.NonNil(r.Waivers)}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(doc)
}
