package predict

import (
	"strings"
	"sync"

	"bench/datasets"
)

// A span is a time that a law has worked out, with the term in it that decides
// and, where words are asked for, how it was joined.
type span struct {
	seconds float64
	// binds is the index of the largest term that the time depends on, and
	// largest that term's seconds.
	binds   int
	largest float64
	rule    string
	// sum tells a sum from a single thing, for brackets.
	sum bool
}

// terms collects what a law adds up. Seconds, rule and what binds all come from
// the same calls.
type terms struct {
	list  []datasets.Term
	words bool
	// present has a bit for each time that was named, set where it is a term, and
	// calls how many there were.
	present uint64
	calls   uint8
}

// of is a named time. Nothing is no term.
func (t *terms) of(name string, seconds float64) span {
	t.calls++
	if !(seconds > 0) {
		return span{}
	}
	t.present |= 1 << t.calls
	t.list = append(t.list, datasets.Term{Name: name, Seconds: seconds})
	p := span{seconds: seconds, binds: len(t.list) - 1, largest: seconds}
	if t.words {
		p.rule = name
	}
	return p
}

// sum is one after the other.
func (t *terms) sum(parts ...span) span {
	var out span
	n := 0
	for i := range parts {
		p := &parts[i]
		if p.seconds == 0 {
			continue
		}
		n++
		out.seconds += p.seconds
		if p.largest > out.largest {
			out.binds, out.largest = p.binds, p.largest
		}
		if t.words {
			out.rule = strings.TrimPrefix(out.rule+" + "+p.rule, " + ")
		}
	}
	out.sum = n > 1
	return out
}

// longest is at the same time: the longest counts.
func (t *terms) longest(parts ...span) span {
	var out span
	n := 0
	rule := ""
	for i := range parts {
		p := &parts[i]
		if p.seconds == 0 {
			continue
		}
		n++
		if p.seconds > out.seconds {
			out = *p
		}
		if t.words {
			inner := p.rule
			if !p.sum {
				inner = strings.TrimSuffix(strings.TrimPrefix(inner, "max("), ")")
			}
			rule = strings.TrimPrefix(rule+", "+inner, ", ")
		}
	}
	if t.words && n > 1 {
		out.rule, out.sum = "max("+rule+")", false
	}
	return out
}

// overlap is at the same time, but for what the parts are in each other's way:
// of each shorter part a share of its own share of the longest is exposed, all of
// it where the parts take equally long and share is 1.
func (t *terms) overlap(share float64, parts ...span) span {
	l := t.longest(parts...)
	if l.seconds == 0 {
		return l
	}
	exposed := 0.0
	for i := range parts {
		exposed += parts[i].seconds * parts[i].seconds
	}
	exposed = share * (exposed - l.seconds*l.seconds) / l.seconds
	return t.sum(l, t.of("exposed", exposed))
}

// rules keeps the words of the joins, which depend on the law and on which of
// its terms are there.
var rules sync.Map // string by ruleKey

type ruleKey struct {
	law     *Law
	present uint64
	calls   uint8
}

// finish is the prediction of a law's part.
func (t *terms) finish(whole span) datasets.Prediction {
	return datasets.Prediction{Seconds: whole.seconds, Terms: t.list, Binds: t.list[whole.binds].Name}
}
