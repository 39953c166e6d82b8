package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"bench/datasets"
	"bench/predict/claims"

	"github.com/jedib0t/go-pretty/v6/text"
)

// verdicts in the order of summaries.
var verdicts = []claims.Verdict{claims.Reproduced, claims.Close, claims.Contradicted, claims.Needs}

// ClaimsJSON writes the rows as an array.
func ClaimsJSON(w io.Writer, rows []claims.Row) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(rows)
}

// ClaimsText writes the rows for a terminal of 80 columns: the verdict and the
// figures, then the words. explain adds formula, assumptions with sources,
// sensitivity and the workload that would measure the row.
func ClaimsText(w io.Writer, rows []claims.Row, explain bool) error {
	const width, indent = 80, 9
	out := &sink{w: w}
	block := func(label, s string) {
		if s == "" {
			return
		}
		if label != "" {
			s = label + ": " + s
		}
		for l := range strings.SplitSeq(text.WrapSoft(Clean(s), width-indent), "\n") {
			out.printf("%*s%s\n", indent, "", strings.TrimRight(l, " "))
		}
	}
	for i := range rows {
		r := &rows[i]
		head := fmt.Sprintf("%-8s %-13s", r.ID, r.Verdict)
		if e := claimError(r); e != "" {
			head += " error " + e + " "
		}
		if r.Origin == datasets.Measured {
			head += " measured on " + Clean(r.Device)
		}
		out.printf("%s\n", strings.TrimRight(head, " "))
		block("", r.Claim)
		figures := "computed " + claims.FormatSpan(r.Computed, r.Unit)
		if r.Published != nil {
			figures = "published " + published(r) + ", " + figures
		}
		block("", figures)
		block("binds", r.Binds)
		block("", r.Answer)
		block(because(r), r.ContradictedBy)
		block("would hold", r.Correction)
		if explain {
			block("formula", r.Formula)
			block("worked", r.Worked)
			for _, a := range r.Assumptions {
				block("  "+a.Name, assumption(&a))
			}
			block("elasticities", elasticities(r))
			block("measured by", r.Workload)
		}
		out.printf("\n")
	}
	out.printf("%s\n", claimsSummary(rows))
	return out.err
}

// claimError is the error, "" without one and where a bound is kept.
func claimError(r *claims.Row) string {
	if r.Error == nil || r.Relation != "" && *r.Error == 0 {
		return ""
	}
	return SignedPercent(*r.Error)
}

// because introduces what a row disagrees with.
func because(r *claims.Row) string {
	if r.Verdict == claims.Contradicted {
		return "contradicted by"
	}
	return "differs by"
}

func published(r *claims.Row) string {
	s := claims.FormatSpan(*r.Published, r.Unit)
	switch r.Relation {
	case claims.AtLeast:
		return "at least " + s
	case claims.AtMost:
		return "at most " + s
	}
	return s
}

func assumption(a *claims.Assumption) string {
	s := claims.FormatSpan(a.Value, a.Unit) + " (" + a.Source + ")"
	if a.Missing {
		s += ", not in the article"
	}
	return s
}

func elasticities(r *claims.Row) string {
	var parts []string
	for _, e := range r.Sensitivity {
		parts = append(parts, fmt.Sprintf("%s %+.2f", e.Input, e.Value))
	}
	return strings.Join(parts, ", ")
}

func claimsSummary(rows []claims.Row) string {
	count := map[claims.Verdict]int{}
	for i := range rows {
		count[rows[i].Verdict]++
	}
	var parts []string
	for _, v := range verdicts {
		if count[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[v], v))
		}
	}
	return fmt.Sprintf("%s rows: %s", Count(len(rows)), strings.Join(parts, ", "))
}

// claimSections are the article's headings.
var claimSections = map[string]string{
	"S1": "Architecture", "S2": "Data", "S3": "Training parallelism", "S4": "Training cost",
	"S5": "Dense inference", "S6": "Roofline", "S7": "Serving trade-offs", "S8": "KV cache",
	"S9": "MoE at inference", "S10": "Inference cluster", "S11": "Inference cost", "S12": "Techniques",
}

// ClaimsMarkdown writes the rows as a document: a table a section, and below it
// what needs words. explain adds every row's formula and assumptions.
func ClaimsMarkdown(w io.Writer, rows []claims.Row, explain bool) error {
	out := &sink{w: w}
	out.printf("# The published claims, recomputed\n\n")
	out.printf("Written by `bench claims --format md`; `make claims` writes it again. The claims are those of\n")
	out.printf("SemiAnalysis, \"GPT-4 Architecture, Infrastructure, Training Dataset, Costs, Vision, MoE\" (Patel and\n")
	out.printf("Wong, July 2023). A claim is *reproduced* within 5 %% or inside the published range, *close* within\n")
	out.printf("25 %%, *contradicted* by another claim, arithmetic or a physical limit, or *needs* an input that\n")
	out.printf("the article does not give, and then shows the range over plausible values of it.\n")
	out.printf("`bench claims ID --explain` shows a row's sources and sensitivity, `--set` changes an input.\n\n")
	out.printf("%s.\n\n", claimsSummary(rows))
	last := ""
	var notes []*claims.Row
	flush := func() {
		if len(notes) > 0 {
			out.printf("\n")
		}
		for _, r := range notes {
			claimNotes(out, r, explain)
		}
		notes = nil
	}
	for i := range rows {
		r := &rows[i]
		section, _, _ := strings.Cut(r.ID, ".")
		if section != last {
			flush()
			out.printf("\n## %s %s\n\n| | Claim | Published | Computed | Error | Verdict |\n|---|---|---|---|---|---|\n", section, claimSections[section])
			last = section
		}
		e, p := "", ""
		if r.Published != nil {
			e, p = claimError(r), published(r)
		}
		verdict := string(r.Verdict)
		if r.Origin == datasets.Measured {
			verdict += ", measured on " + r.Device
		}
		for j, cell := range []string{r.ID, r.Claim, p, claims.FormatSpan(r.Computed, r.Unit), e, verdict} {
			if j == 0 {
				out.printf("|")
			}
			out.printf(" %s |", markdownWords(cell))
		}
		out.printf("\n")
		notes = append(notes, r)
	}
	flush()
	return out.err
}

// markdownWords takes the meaning from the few characters of the claims' own
// words, and of a device's name, that Markdown gives one.
func markdownWords(s string) string {
	return strings.NewReplacer("|", "\\|", "~", "\\~", "*", "\\*", "$", "\\$", "_", "\\_", "<", "&lt;", "[", "\\[").Replace(Clean(s))
}

// claimNotes is a row's words, as one item of a list.
func claimNotes(out *sink, r *claims.Row, explain bool) {
	var parts []string
	for _, p := range []struct{ label, s string }{
		{"", r.Answer}, {strings.ToUpper(because(r)[:1]) + because(r)[1:] + ": ", r.ContradictedBy}, {"Would hold: ", r.Correction}, {"Binds: ", r.Binds},
	} {
		if p.s != "" {
			parts = append(parts, p.label+strings.TrimSuffix(p.s, ".")+".")
		}
	}
	parts = append(parts, claims.FormatSpan(r.Computed, r.Unit)+" = "+r.Worked+".")
	out.printf("- **%s** %s\n", r.ID, markdownWords(strings.Join(parts, " ")))
	if !explain {
		return
	}
	for _, a := range r.Assumptions {
		out.printf("  - `%s` = %s\n", a.Name, markdownWords(assumption(&a)))
	}
	if s := elasticities(r); s != "" {
		out.printf("  - elasticities: %s\n", markdownWords(s))
	}
	if r.Workload != "" {
		out.printf("  - measured by `%s`\n", r.Workload)
	}
}
