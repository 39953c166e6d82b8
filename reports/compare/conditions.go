package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bench/datasets"
)

// cell is one measurement with the run that it belongs to.
type cell struct {
	run *datasets.Run
	row *datasets.Row
}

// Condition is why two measurements, or one, can support no verdict.
type Condition struct {
	// Name is a flag ("drift", …), or a word that --across takes: "machine",
	// "driver", "governor", "clock", "ecc", "source".
	Name string `json:"name"`
	// Text says what it was, in words.
	Text string `json:"text"`
}

// Across lists the differences that a comparison can be told to be about.
var Across = []string{"machine", "driver", "governor", "clock", "ecc", "source"}

// clockTolerance is how far the mean clocks of two cases may lie apart. A
// clock read a few times a second wanders by 1–2 % under an unchanging load.
const clockTolerance = 0.03

// withheldBy are the flags that take a row's verdict. FlagUnsteady is not among
// them: it says that the interval is wide, and the interval itself says so.
var withheldBy = []string{datasets.FlagDrift, datasets.FlagThrottled, datasets.FlagShared, datasets.FlagImplausible, datasets.FlagWarmup}

// Withheld names what a measurement's own flags say against a verdict.
func Withheld(m *datasets.Measurement) []Condition {
	var out []Condition
	for _, f := range m.Flags {
		if slices.Contains(withheldBy, f) {
			out = append(out, Condition{f, f})
		}
	}
	return out
}

// software are the entries of a run's environment that decide how fast a GPU
// may be: what it is driven by and how it is set.
func software(name string) bool {
	for _, word := range []string{"driver", "cuda", "mig", "persistence", "application_clocks"} {
		if strings.Contains(strings.ToLower(name), word) {
			return true
		}
	}
	return false
}

// Differences names the conditions that differ between two measurements of one
// device: machine fingerprint, driver, governor, clock, ECC, source.
func Differences(baseRun *datasets.Run, base *datasets.Row, newRun *datasets.Run, new *datasets.Row) []Condition {
	var out []Condition
	add := func(name, format string, args ...any) {
		out = append(out, Condition{name, fmt.Sprintf(format, args...)})
	}
	b, n := &base.Measurement, &new.Measurement
	if b.Source != n.Source {
		add("source", "%s against %s", n.Source, b.Source)
	}
	if was, is := baseRun.Meta.Machine, newRun.Meta.Machine; was != "" && is != "" {
		for _, d := range datasets.FingerprintDifferences(was, is) {
			add("machine", "%s was %q and is %q", d.Part, d.Was, d.Is)
		}
	}
	be, ne := baseRun.Meta.Environment, newRun.Meta.Environment
	for _, k := range slices.Sorted(maps.Keys(ne)) {
		if was, ok := be[k]; ok && was != ne[k] && software(k) {
			add("driver", "%s was %q and is %q", k, was, ne[k])
		}
	}
	bc, nc := &b.Conditions, &n.Conditions
	if bc.Governor != nc.Governor && bc.Governor != "" && nc.Governor != "" {
		add("governor", "the governor was %s and is %s", bc.Governor, nc.Governor)
	}
	clock := func(what string, was, is float64) {
		if was > 0 && is > 0 && math.Abs(math.Log(is/was)) > math.Log1p(clockTolerance) {
			add("clock", "the %s was %.2f GHz and is %.2f GHz", what, was/1e9, is/1e9)
		}
	}
	clock("clock", bc.ClockHz, nc.ClockHz)
	clock("memory clock", bc.MemoryClockHz, nc.MemoryClockHz)
	if bc.ECCErrors != nc.ECCErrors {
		add("ecc", "%d ECC errors, %d before", nc.ECCErrors, bc.ECCErrors)
	}
	return out
}
