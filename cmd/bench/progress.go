//go:build cgo && linux

package main

import (
	"fmt"
	"io"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/reports"

	// progressbar: redraws one line, whatever the terminal's width.
	"github.com/schollz/progressbar/v3"
)

// progress tells how far a run is: a bar with the time left on a terminal, a
// plain line a suite elsewhere.
type progress struct {
	w   io.Writer
	bar *progressbar.ProgressBar
	// name is the suite that goes on, with its counts and its last case.
	name                     string
	cases, disturbed, failed int
	last                     microbench.Progress
}

func newProgress(w io.Writer, total int) *progress {
	p := &progress{w: w}
	if isTerminal(w) {
		// The bar draws by control codes; what it is told is cleaned.
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(unguarded(w)), progressbar.OptionShowCount(),
			progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish(),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	return p
}

func (p *progress) add(now microbench.Progress) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("%s left  %-40.40s", now.Left.Round(time.Second), reports.Clean(now.Row.Workload.Key())))
		p.bar.Set(now.Done)
		return
	}
	name := string(now.Row.Workload.Suite())
	if now.Again {
		name = "disturbed cases again"
	}
	if name != p.name {
		p.flush()
		p.name, p.cases, p.disturbed, p.failed = name, 0, 0, 0
	}
	p.last = now
	p.cases++
	switch now.Row.Measurement.Verdict {
	case datasets.Flagged:
		p.disturbed++
	case datasets.Failed:
		p.failed++
	}
}

// flush writes the line of a suite that has ended.
func (p *progress) flush() {
	if p.cases == 0 {
		return
	}
	fmt.Fprintf(p.w, "[%d/%d] %s: cases %d, disturbed %d, failed %d; %s left\n", p.last.Done, p.last.Total, p.name,
		p.cases, p.disturbed, p.failed, p.last.Left.Round(time.Second))
	p.cases = 0
}

// say tells of what comes next.
func (p *progress) say(line string) {
	if p.bar != nil {
		p.bar.Clear()
	}
	p.flush()
	fmt.Fprintln(p.w, reports.Clean(line))
}

func (p *progress) end() {
	p.flush()
	if p.bar != nil {
		p.bar.Finish()
	}
}
