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
		if r.Identity {
			head += " identity"
		}
		if r.Origin == datasets.Measured {
			head += " measured on " + Clean(r.Device)
		}
		out.printf("%s\n", strings.TrimRight(head, " "))
		block("", r.Claim)
		figures := "computed " + claims.FormatSpan(r.Computed, r.Unit)
		if r.Datasheet != nil {
			figures += ", by the datasheet " + claims.FormatSpan(*r.Datasheet, r.Unit)
		}
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
			block("redone by", r.Command)
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
	identities := 0
	for i := range rows {
		if rows[i].Identity {
			identities++
		} else {
			count[rows[i].Verdict]++
		}
	}
	var parts []string
	for _, v := range verdicts {
		if count[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[v], v))
		}
	}
	if identities > 0 {
		parts = append(parts, fmt.Sprintf("%d cannot fail", identities))
	}
	return fmt.Sprintf("%s rows: %s", Count(len(rows)), strings.Join(parts, ", "))
}

// ClaimsSummary answers in one screen: how many hold, and a line for each that is
// contradicted.
func ClaimsSummary(w io.Writer, rows []claims.Row) error {
	out := &sink{w: w}
	out.printf("%s\n\nContradicted%44s  %s\n", claimsSummary(rows), "published", "computed")
	for i := range rows {
		r := &rows[i]
		if r.Verdict == claims.Contradicted {
			line := fmt.Sprintf("  %-6s %s %14s  %s", r.ID, text.Pad(text.Snip(Clean(r.Claim), 32, "…"), 32, ' '),
				claims.FormatSpan(*r.Published, r.Unit), claims.FormatSpan(r.Computed, r.Unit))
			out.printf("%s\n", strings.TrimRight(text.Snip(line, 80, "…"), " "))
		}
	}
	out.printf("\nOne section or row in full: bench claims S4, bench claims S4.2 --explain\n")
	out.printf("As an article of ten minutes: bench claims --format md, or docs/claims.md\n")
	return out.err
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
	out.printf("# The published claims about GPT-4, recomputed\n\n%s\n", claims.Article(rows))
	out.printf("\n## Every row\n\n")
	out.printf("Written by `bench claims --format md`; `make claims` writes it again. A claim is *reproduced* within\n")
	out.printf("5 %% or inside the published range, *close* within 25 %%, *contradicted* by another claim, arithmetic\n")
	out.printf("or a physical limit, or *needs* an input that the article does not give, and then shows the range\n")
	out.printf("over plausible values of it. An *identity* cannot fail: it restates a definition or a bound that\n")
	out.printf("nothing could miss. `bench claims ID --explain` shows a row's sources and sensitivity, `--set`\n")
	out.printf("changes an input.\n\n%s.\n\n", claimsSummary(rows))
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
			out.printf("\n### %s %s\n\n| | Claim | Published | Computed | Error | Verdict |\n|---|---|---|---|---|---|\n", section, claimSections[section])
			last = section
		}
		e, p := "", ""
		if r.Published != nil {
			e, p = claimError(r), published(r)
		}
		verdict := string(r.Verdict)
		if r.Identity {
			verdict += " (identity)"
		}
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
	if r.Datasheet != nil {
		parts = append(parts, "By the datasheet "+claims.FormatSpan(*r.Datasheet, r.Unit)+".")
	}
	out.printf("- **%s** %s\n", r.ID, markdownWords(strings.Join(parts, " ")))
	if r.Command != "" {
		out.printf("  - redone by `%s`\n", r.Command)
	}
	if r.Workload != "" {
		out.printf("  - measured by `%s`\n", r.Workload)
	}
	if !explain {
		return
	}
	for _, a := range r.Assumptions {
		out.printf("  - `%s` = %s\n", a.Name, markdownWords(assumption(&a)))
	}
	if s := elasticities(r); s != "" {
		out.printf("  - elasticities: %s\n", markdownWords(s))
	}
}
