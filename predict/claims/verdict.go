package claims

import "math"

// The bounds of the rule in CLAIMS.md.
const (
	reproducedWithin = 0.05
	closeWithin      = 0.25
)

// judge applies the rule of CLAIMS.md and returns the signed error that it
// judged by.
//
// A single computed figure, or the middle of a range that the article itself
// states (missing false), is compared with the published figure, or with the
// nearest end of the published range. A stated range that holds the published
// figure reproduces it. Where an input is missing, the claim is reproduced if
// the whole computed range agrees, needs that input if some of it does, and is
// else judged by the nearest point. A limit of physics allows no margin:
// what is above a GPU's memory does not nearly fit.
func judge(published *Span, relation Relation, computed Span, missing, limit bool) (Verdict, float64) {
	grade := func(e float64) Verdict {
		if limit && e != 0 {
			return Contradicted
		}
		return grade(e)
	}
	if published == nil {
		return Needs, 0
	}
	low, high := off(*published, relation, computed.Low), off(*published, relation, computed.High)
	straddles := low < 0 && high > 0 && relation == ""
	if !missing {
		if straddles {
			return Reproduced, 0
		}
		e := off(*published, relation, computed.Mid())
		return grade(e), e
	}
	a, b, e := grade(low), grade(high), nearer(low, high)
	if straddles {
		e = 0
	}
	switch {
	case a == Reproduced && b == Reproduced:
		return Reproduced, e
	case a == Reproduced || b == Reproduced || straddles:
		return Needs, e
	}
	return grade(e), e
}

func grade(e float64) Verdict {
	switch a := math.Abs(e) - 1e-9; { // 1.05 is within 5 %
	case a <= reproducedWithin:
		return Reproduced
	case a <= closeWithin:
		return Close
	}
	return Contradicted
}

func nearer(a, b float64) float64 {
	if math.Abs(b) < math.Abs(a) {
		return b
	}
	return a
}

// off is x / published − 1 from the nearest published value, 0 inside the range
// or where the bound is kept.
func off(p Span, relation Relation, x float64) float64 {
	switch {
	case relation == AtLeast && x >= p.Low, relation == AtMost && x <= p.High:
		return 0
	case x < p.Low:
		return x/p.Low - 1
	case x > p.High:
		return x/p.High - 1
	}
	return 0
}
