// Package mutation puts faults into the kernels' sources, for the tests that ask
// whether the check of an answer sees each of them.
package mutation

import (
	"cmp"
	"fmt"
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
		before, rest, found := strings.Cut(text, m.After)
		if !found {
			return "", fmt.Errorf("%s: %q is not in %s", m.Name, m.After, file)
		}
		if c := strings.Count(rest, m.Old); c == 0 || c > 1 && m.After == "" {
			return "", fmt.Errorf("%s: %q is in %s %d times", m.Name, m.Old, file, c)
		}
		at := len(before) + len(m.After) + strings.Index(rest, m.Old)
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
