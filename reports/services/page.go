package services

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/stats"
)

// stage is one of the three predictions of a service, judged on some of them.
type stage struct {
	name  string
	split datasets.Split // "" is all
	of    func(*Service) map[string]float64
}

var stages = []stage{
	{"unfitted, all rows", "", func(s *Service) map[string]float64 { return s.Unfitted }},
	{"facts chosen, test half", datasets.TestHalf, func(s *Service) map[string]float64 { return s.Chosen }},
	{"fitted, test half", datasets.TestHalf, func(s *Service) map[string]float64 { return s.Fitted }},
}

// errors are the signed errors of a figure, predicted over measured less one.
func errorsOf(services []*Service, st stage, figure string) []float64 {
	var out []float64
	for _, s := range services {
		p, m := st.of(s)[figure], s.Measured[figure]
		if (st.split == "" || s.Split == st.split) && p > 0 && m > 0 {
			out = append(out, p/m-1)
		}
	}
	return out
}

func absolute(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Abs(x)
	}
	return out
}

// summary is "median (MAPE)" in percent, "–" of no rows.
func summary(e []float64) string {
	if len(e) == 0 {
		return "–"
	}
	a := absolute(e)
	return fmt.Sprintf("%.1f (%.1f)", 100*stats.Median(a), 100*stats.Mean(a))
}

// Markdown writes the page.
func (v *Validation) Markdown(w io.Writer) error {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	p("# Served models against measurements\n\nMade by `make validate` from `../shared/data/serving`, at the %s tier of the kernels. Errors are predicted / measured − 1.\n", v.Tier)
	p("Each cell is the median of the absolute error and, in brackets, its mean (MAPE), in percent. A throughput is 1 over the time an output token.\n\n")
	p("- **Unfitted**: every engine with its defaults and the same rough host (0.3 ms a step, 20 µs a sequence, 1 ms a request; 30 µs a launch where nothing is captured).\n  These orders of magnitude were set by hand, knowing some of these rows, and fitted to none.\n")
	p("- **Facts chosen**: what a table does not print (tokens a step, places, waves sent, whether the first half counts, whether clients stay in step) from a list of %d, on the fit half by hash.\n", len(factLists()))
	p("- **Fitted**: besides, three times of each engine's host, on the fit half. Judged on the other half.\n\n")
	p("| rows | n | | TPOT | TTFT | time an output token |\n|---|--:|---|--:|--:|--:|\n")
	dense := func(moe bool) func(*Collection) bool {
		return func(c *Collection) bool { return c.Model.Experts > 1 == moe && !c.Engine.Eager }
	}
	v.group(p, "dense models under load", dense(false))
	v.group(p, "mixtures of experts under load", dense(true))
	v.group(p, "single batches, eager", func(c *Collection) bool { return c.Engine.Eager })
	p("\n## By engine, model and GPU\n\n| rows | n | | TPOT | TTFT | time an output token |\n|---|--:|---|--:|--:|--:|\n")
	for _, c := range v.Collections {
		v.group(p, c.Name, func(o *Collection) bool { return o == c })
	}
	p("\n## By layout and load, fitted, test half\n\n| | n | TPOT | TTFT | time an output token |\n|---|--:|--:|--:|--:|\n")
	v.cuts(p)
	p("\n## What was chosen and fitted\n\n| collection | facts | assumed |\n|---|---|---|\n")
	for _, c := range v.Collections {
		p("| %s | %s | %s |\n", c.Name, cmp.Or(c.Facts.String(), "the engine's defaults"), c.Assumed)
	}
	p("\n| engine | a step | a sequence and step | a request | a launch | from |\n|---|--:|--:|--:|--:|---|\n")
	for _, h := range v.Hosts {
		if h.Engine != "" {
			p("| %s | %.2g ms | %.2g µs | %.2g ms | %.2g µs | %s |\n", h.Engine, 1e3*h.HostStepS, 1e6*h.HostTokenS, 1e3*h.HostRequestS, 1e6*h.LaunchS, strings.Split(h.Fitted, ",")[0])
		}
	}
	p("\n## Ranges\n\nA 90 %% range comes from the fit half's measured / predicted, of each engine. Of the test half it holds:\n\n| engine | TPOT | TTFT | time an output token |\n|---|--:|--:|--:|\n")
	v.coverage(p)
	p("\n## The worst 20 of the test half, by TPOT, with their terms\n\n| row | measured | predicted | error | prefill | weights | KV | communication | host | binds |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	for _, s := range v.worst(20) {
		x, a := s.Workload, s.Answer.Parts
		all := a.Prefill + a.Weights + a.KV + a.Communication + a.Host
		share := func(t float64) string { return fmt.Sprintf("%.0f %%", 100*t/all) }
		p("| %s TP %d EP %d, %d/%d at %d | %.2f ms | %.2f ms | %+.0f %% | %s | %s | %s | %s | %s | %s |\n", s.collection.Name, x.TP, x.EP, x.InputTokens, x.OutputTokens, x.Concurrency,
			1e3*s.Measured["tpot"], 1e3*s.Fitted["tpot"], 100*(s.Fitted["tpot"]/s.Measured["tpot"]-1), share(a.Prefill), share(a.Weights), share(a.KV), share(a.Communication), share(a.Host), s.Answer.Binds)
	}
	p("\n## Left out\n\n")
	for _, why := range slices.Sorted(maps.Keys(v.LeftOut)) {
		p("- %d: %s.\n", v.LeftOut[why], why)
	}
	for _, c := range v.Collections {
		for _, s := range c.Services {
			if s.Fitted == nil {
				p("- %s, TP %d, %d/%d at %d: %s.\n", c.Name, s.Workload.TP, s.Workload.InputTokens, s.Workload.OutputTokens, s.Workload.Concurrency, s.Why)
			}
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func (v *Validation) services(of func(*Collection) bool) []*Service {
	var out []*Service
	for _, c := range v.Collections {
		if of(c) {
			out = append(out, c.Services...)
		}
	}
	return out
}

func (v *Validation) group(p func(string, ...any), name string, of func(*Collection) bool) {
	all := v.services(of)
	for i, st := range stages {
		n := len(errorsOf(all, st, "tpot"))
		if n == 0 {
			continue
		}
		if i > 0 {
			name = ""
		}
		p("| %s | %d | %s", name, n, st.name)
		for _, f := range Figures {
			p(" | %s", summary(errorsOf(all, st, f)))
		}
		p(" |\n")
	}
}

// cuts is the fitted error by what may explain it.
func (v *Validation) cuts(p func(string, ...any)) {
	fitted := stages[2]
	loaded := v.services(func(c *Collection) bool { return !c.Engine.Eager })
	for _, cut := range []struct {
		name string
		of   func(datasets.Serve) string
	}{
		{"TP", func(s datasets.Serve) string { return fmt.Sprintf("%3d", s.TP) }},
		{"concurrency", func(s datasets.Serve) string { return fmt.Sprintf("%3d", s.Concurrency) }},
		{"tokens in", func(s datasets.Serve) string { return fmt.Sprintf("%4d", s.InputTokens) }},
	} {
		by := map[string][]*Service{}
		for _, s := range loaded {
			k := cut.of(s.Workload)
			by[k] = append(by[k], s)
		}
		for _, k := range slices.Sorted(maps.Keys(by)) {
			e := errorsOf(by[k], fitted, "tpot")
			if len(e) < 5 {
				continue
			}
			p("| %s %s | %d", cut.name, strings.TrimSpace(k), len(e))
			for _, f := range Figures {
				p(" | %s", summary(errorsOf(by[k], fitted, f)))
			}
			p(" |\n")
		}
	}
}

func (v *Validation) coverage(p func(string, ...any)) {
	for _, h := range v.Hosts {
		if h.Engine == "" {
			continue
		}
		p("| %s", h.Engine)
		for _, f := range Figures {
			in, n := 0, 0
			r := h.Ranges[f]
			for _, s := range v.services(func(c *Collection) bool { return c.host() == h.Engine }) {
				if m, x := s.Measured[f], s.Fitted[f]; s.Split == datasets.TestHalf && m > 0 && x > 0 {
					n++
					if m >= r.Low*x && m <= r.High*x {
						in++
					}
				}
			}
			if n == 0 {
				p(" | –")
				continue
			}
			p(" | %.0f %% of %d (%.2f to %.2f ×)", 100*float64(in)/float64(n), n, r.Low, r.High)
		}
		p(" |\n")
	}
}

// worst are the test half's services with the largest errors of TPOT.
func (v *Validation) worst(n int) []*Service {
	var all []*Service
	for _, s := range v.services(func(*Collection) bool { return true }) {
		if s.Split == datasets.TestHalf && s.Fitted["tpot"] > 0 && s.Measured["tpot"] > 0 {
			all = append(all, s)
		}
	}
	far := func(s *Service) float64 { return math.Abs(logRatio(s.Fitted["tpot"], s.Measured["tpot"])) }
	slices.SortStableFunc(all, func(a, b *Service) int { return cmp.Compare(far(b), far(a)) })
	return all[:min(n, len(all))]
}
