//go:build cgo && linux

package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/reports"

	// progressbar: redraws one line, whatever the terminal's width.
	"github.com/schollz/progressbar/v3"
)

// progress tells of each finished case: a bar with the time left on a
// terminal, a plain line a case elsewhere.
type progress struct {
	w   io.Writer
	bar *progressbar.ProgressBar
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
	m := &now.Row.Measurement
	line := fmt.Sprintf("[%*d/%d] %s", len(fmt.Sprint(now.Total)), now.Done, now.Total, now.Row.Workload.Key())
	if now.Again {
		line += " again"
	}
	if m.Usable() {
		line += fmt.Sprintf("  %s ±%s", reports.Seconds(m.TimeS), reports.Percent((m.HighS-m.LowS)/2/m.TimeS))
	}
	if m.Verdict != datasets.OK {
		line += "  " + string(m.Verdict)
	}
	if len(m.Flags) > 0 {
		line += " (" + strings.Join(m.Flags, ", ") + ")"
	}
	if m.Reason != "" {
		line += ": " + m.Reason
	}
	fmt.Fprintln(p.w, reports.Clean(line))
}

// say tells of what comes next.
func (p *progress) say(line string) {
	if p.bar != nil {
		p.bar.Clear()
	}
	fmt.Fprintln(p.w, reports.Clean(line))
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
