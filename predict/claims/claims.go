// Package claims recomputes what the SemiAnalysis article on GPT-4 (Patel and
// Wong, July 2023) asserts, from first principles, and says which of it holds.
//
// A claim is what was printed, a formula over named inputs, and nothing else:
// every number that a formula uses is an input with its source (inputs.go). An
// input that the article states as a range, or does not give at all, is a
// range; the answer is then one too. Verdicts follow one rule (verdict.go),
// and elasticities come from evaluating the formula again, so neither can be
// written by hand. One file a section: s1.go … s12.go.
package claims

import (
	"encoding/json"
	"math"

	"bench/datasets"
)

// Verdict is what became of a claim.
type Verdict string

// The verdicts.
const (
	// Reproduced claims come out within 5 %, or inside the published range.
	Reproduced Verdict = "reproduced"
	// Close claims come out within 25 %.
	Close Verdict = "close"
	// Contradicted claims do not agree with another claim, with arithmetic, or
	// with a physical limit.
	Contradicted Verdict = "contradicted"
	// Needs marks claims that hold or not by an input that the article lacks.
	Needs Verdict = "needs"
)

// Span is one number, or a range from Low to High. In JSON it is a number, or
// [low, high].
type Span struct{ Low, High float64 }

// MarshalJSON writes a number where both ends agree.
func (s Span) MarshalJSON() ([]byte, error) {
	if math.IsNaN(s.Low) {
		return []byte("null"), nil // only where inputs that were set leave no answer
	}
	if s.Low == s.High {
		return json.Marshal(s.Low)
	}
	return json.Marshal([2]float64{s.Low, s.High})
}

// Mid is the middle of the range.
func (s Span) Mid() float64 { return (s.Low + s.High) / 2 }

// Relation says how a published figure bounds what is computed.
type Relation string

// The relations. The zero value is equality.
const (
	AtLeast Relation = "at_least"
	AtMost  Relation = "at_most"
)

// Assumption is one input that a row's formula read.
type Assumption struct {
	Name   string `json:"name"`
	Value  Span   `json:"value"`
	Unit   string `json:"unit"`
	Source string `json:"source"`
	// Missing inputs are not given by the article.
	Missing bool `json:"missing,omitempty"`
	// Set inputs were given by the user.
	Set bool `json:"set,omitempty"`
}

// Elasticity is by how many percent the answer moves where an input moves by
// one: d ln(answer) / d ln(input).
type Elasticity struct {
	Input string  `json:"input"`
	Value float64 `json:"elasticity"`
}

// Row is one claim, recomputed. Figures are in base units: bytes, FLOP,
// seconds, USD, tokens, plain ratios.
type Row struct {
	ID    string `json:"id"`
	Claim string `json:"claim"`
	// Published is nil where the article asserts no figure of this quantity.
	Published *Span    `json:"published"`
	Relation  Relation `json:"relation,omitempty"`
	Computed  Span     `json:"computed"`
	Unit      string   `json:"unit"`
	// Error is computed / published − 1, at the point that the verdict's rule
	// compares; nil without a published figure. It is 0 inside a range.
	Error   *float64 `json:"error"`
	Verdict Verdict  `json:"verdict"`
	// Formula names its inputs; Worked has their numbers in their place.
	Formula     string       `json:"formula"`
	Worked      string       `json:"worked"`
	Assumptions []Assumption `json:"assumptions"`
	// Binds is what limits the answer, where something does.
	Binds string `json:"binds,omitempty"`
	// Answer is what the row says in words.
	Answer string `json:"answer,omitempty"`
	// ContradictedBy and Correction: what the claim disagrees with, and the
	// smallest change that would make it hold.
	ContradictedBy string       `json:"contradicted_by,omitempty"`
	Correction     string       `json:"correction,omitempty"`
	Sensitivity    []Elasticity `json:"sensitivity,omitempty"`
	// Workload is the key of the workload that would measure it, or "".
	Workload string `json:"workload,omitempty"`
	// Device and Origin say on which device the row was recomputed, and whether
	// from its datasheet or from measured ceilings; "" where none plays a part.
	Device string          `json:"device,omitempty"`
	Origin datasets.Origin `json:"origin,omitempty"`
}

// claim is a row before it is evaluated.
type claim struct {
	id, text string
	// published is nil, one figure, or a range's two ends.
	published []float64
	// printed computes published from the article's own inputs instead.
	printed  func(v *values) float64
	relation Relation
	unit     string
	// formula has its inputs in braces: "{layers} × {hidden}".
	formula string
	compute func(v *values) float64
	binds   string
	// answer, by and correction may name inputs in braces too, and the computed
	// figure as {=}; say, where not nil, adds to answer what needs arithmetic.
	answer, by, correction string
	say                    func(v *values) string
	// fix works out the correction where it has a number.
	fix      func(v *values) string
	workload datasets.Workload
	// drawn marks formulas that count seeded draws: too rough to differentiate.
	drawn bool
}

// sections lists every claim in the order of the article.
func sections() [][]claim {
	return [][]claim{s1(), s2(), s3(), s4(), s5(), s6(), s7(), s8(), s9(), s10(), s11(), s12All()}
}
