// Package claims recomputes what the SemiAnalysis article on GPT-4 (Patel and
// Wong, July 2023) asserts, from first principles, and says which of it holds.
//
// A claim is data: what was printed, and a formula as text over named inputs. The
// text is what is evaluated and what is shown (formula.go). Every number that a
// formula uses is an input with its source (inputs.go). An input that the article
// states as a range, or does not give at all, is a range; the answer is then one
// too. Verdicts follow one rule (verdict.go), and elasticities come from evaluating
// the formula again, so neither can be written by hand. The claims stand in
// architecture.go (S1, S2), training.go (S3, S4), inference.go (S5 to S10), cost.go
// (S11) and techniques.go (S12).
package claims

import (
	_ "embed"
	"encoding/json"
	"math"
	"regexp"
	"strings"

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
	// Identity rows cannot fail: they restate a definition, or a bound that nothing
	// could miss. They are counted apart.
	Identity bool `json:"identity,omitempty"`
	// Command is the bench command that computes the same thing, or "".
	Command string `json:"command,omitempty"`
	// Workload is the key of the workload that would measure it, or "".
	Workload string `json:"workload,omitempty"`
	// Device and Origin say on which device the row was recomputed, and whether
	// from its datasheet or from measured ceilings; "" where none plays a part.
	Device string          `json:"device,omitempty"`
	Origin datasets.Origin `json:"origin,omitempty"`
	// Datasheet is what the claim's own devices give by their datasheets, where
	// Computed rests on measured ceilings.
	Datasheet *Span `json:"datasheet,omitempty"`
}

// claim is a row before it is evaluated.
type claim struct {
	id, text string
	// published is nil, one figure, or a range's two ends: what the article prints.
	published []float64
	// printed is a formula that computes published from the article's own inputs.
	printed  string
	relation Relation
	// limit marks a bound that physics sets: what passes it is not close to it.
	limit bool
	unit  string
	// formula computes the row (formula.go).
	formula string
	binds   string
	// answer, by and correction may hold formulas in braces (values.fill).
	answer, by, correction string
	// command is the bench command that redoes the row, where a verb does.
	command  string
	workload datasets.Workload
	// drawn marks formulas that count seeded draws or search: too rough to
	// differentiate.
	drawn bool
	// identity marks a row that algebra or the choice of its bound makes true
	// whatever the inputs are.
	identity bool
}

// sections lists every claim in the order of the article.
func sections() [][]claim {
	return [][]claim{architecture, data, parallelism, trainingCost, denseInference, roofline, tradeoffs, kvCache, experts, cluster, cost, techniques}
}

//go:embed article.md
var article string

// cited finds a row's figure in the article.
var cited = regexp.MustCompile(`\[(S\d+\.\d+[a-z]?)\]`)

// Article is what the rows add up to, in Markdown, with their figures in place. A
// row that is not among them keeps its id.
func Article(rows []Row) string {
	return cited.ReplaceAllStringFunc(strings.TrimSpace(article), func(m string) string {
		for i := range rows {
			if rows[i].ID == m[1:len(m)-1] {
				return FormatSpan(rows[i].Computed, rows[i].Unit)
			}
		}
		return m
	})
}
