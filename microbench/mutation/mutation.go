// Package mutation puts faults into the kernels' sources, for the tests that ask
// whether the check of an answer sees each of them.
package mutation

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kind is what a mutation is an instance of.
type Kind string

// The kinds, in the order of the documents' tables.
const (
	Tail      Kind = "element left out"
	Omitted   Kind = "part omitted"
	Truncated Kind = "truncated sum"
	Scaled    Kind = "wrong scale"
	Stale     Kind = "stale data"
	Index     Kind = "wrong index"
	Mask      Kind = "wrong mask"
	Race      Kind = "race"
	Bounds    Kind = "out of bounds"
)

// Mutation is a fault put into a kernel's source: in the file the text Old becomes
// New. Both are whole statements, or expressions where Expr is set. Old is there
// once, or is the first after the first After.
type Mutation struct {
	// Kernel is the .cu file, without its ending, that it is a fault of, "" where
	// that is File itself. File is where it is put, "" being the kernel's own.
	Kernel, File    string
	Kind            Kind
	Name            string
	After, Old, New string
	Expr            bool
	// On names the workloads of which the check of at least one must see it.
	On string
	// at is where Old stands in the file, for a mutation that a rule made.
	at int
}

// rules are faults that can be put in wherever a pattern stands.
var rules = []struct {
	kind    Kind
	name    string
	pattern *regexp.Regexp
	with    string
	expr    bool
}{
	{Race, "a barrier is left out", regexp.MustCompile(`__sync(?:threads|warp)\(\);`), ";", false},
	{Race, "a copy is not waited for", regexp.MustCompile(`cp_async_wait<([^>]+)>\(\);`), "cp_async_wait<($1) + 1>();", false},
	{Tail, "a loop's last step is left out", regexp.MustCompile(`for \([^;{}]*; (\w+ < [^;&|]+); [^;{}]*?(?:\+\+|\+= ([^;{}]+?))\)(?:\s|$)`), "", true},
}

// ByRule are the faults that rules put into a file, one for each place but those where
// the text from the line's begin, with single spaces, starts with one of except. Each
// must be seen on one of the workloads on.
func ByRule(kernel, file, text, on string, except ...string) (all []Mutation) {
	for _, r := range rules {
		for _, found := range r.pattern.FindAllStringSubmatchIndex(text, -1) {
			at, end := found[0], found[1]
			m := Mutation{Kernel: kernel, File: file, Kind: r.kind, On: on, Expr: r.expr}
			if r.expr {
				at, end = found[2], found[3]
				step := "1"
				if found[4] >= 0 {
					step = text[found[4]:found[5]]
				}
				m.New = strings.Replace(text[at:end], " < ", " + ("+step+") < ", 1)
			} else {
				m.New = string(r.pattern.ExpandString(nil, r.with, text, found))
			}
			m.at, m.Old = at, text[at:end]
			first := strings.LastIndexByte(text[:at], '\n') + 1
			line, _, _ := strings.Cut(text[first:], "\n")
			m.Name = fmt.Sprintf("%s:%d: %s: %s", file, 1+strings.Count(text[:at], "\n"), r.name, strings.TrimSpace(line))
			code := strings.Join(strings.Fields(text[first:min(len(text), first+300)]), " ")
			if !slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(code, e) }) {
				all = append(all, m)
			}
		}
	}
	return all
}

// Source is what a mutation counts under: its kernel, or else its file.
func (m *Mutation) Source() string { return cmp.Or(m.Kernel, m.File) }

func (m *Mutation) file() string { return cmp.Or(m.File, m.Kernel+".cu") }

// Apply is a file's text with those of all mutations that numbers name and that are
// of the file. Each takes effect where the expression chosen(n) holds, n being its
// number.
func Apply(file, text string, all []Mutation, numbers []int, chosen func(n int) string) (string, error) {
	type place struct {
		at, end int
		with    string
	}
	var places []place
	for _, n := range numbers {
		m := &all[n]
		if m.file() != file {
			continue
		}
		at := m.at
		if at == 0 {
			before, rest, found := strings.Cut(text, m.After)
			if !found {
				return "", fmt.Errorf("%s: %q is not in %s", m.Name, m.After, file)
			}
			if c := strings.Count(rest, m.Old); c == 0 || c > 1 && m.After == "" {
				return "", fmt.Errorf("%s: %q is in %s %d times", m.Name, m.Old, file, c)
			}
			at = len(before) + len(m.After) + strings.Index(rest, m.Old)
		}
		with := func(original string) string {
			if m.Expr {
				return fmt.Sprintf("(%s ? (%s) : (%s))", chosen(n), m.New, original)
			}
			return fmt.Sprintf("{ if (%s) { %s } else { %s } }", chosen(n), m.New, original)
		}
		// Several of the same text nest.
		if i := slices.IndexFunc(places, func(p place) bool { return p.at == at && p.end == at+len(m.Old) }); i >= 0 {
			places[i].with = with(places[i].with)
			continue
		}
		places = append(places, place{at, at + len(m.Old), with(m.Old)})
	}
	slices.SortFunc(places, func(a, b place) int { return b.at - a.at })
	for i, p := range places {
		if i > 0 && p.end > places[i-1].at {
			return "", fmt.Errorf("two mutations of %s overlap at %q", file, text[p.at:p.end])
		}
		text = text[:p.at] + p.with + text[p.end:]
	}
	return text, nil
}

// Counts is a row of a table of mutations: how many there are of a source, or of
// "all", and of each kind.
func Counts(all []Mutation, kinds []Kind, source string) string {
	of, n := map[Kind]int{}, 0
	for i := range all {
		if source == "all" || all[i].Source() == source {
			of[all[i].Kind]++
			n++
		}
	}
	row := fmt.Sprintf("| %s | %d |", source, n)
	for _, k := range kinds {
		row += fmt.Sprintf(" %s |", strings.TrimPrefix(fmt.Sprint(of[k]), "0"))
	}
	return row
}
