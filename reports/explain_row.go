package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bench/datasets"
	"bench/datasets/stats"

	"github.com/jedib0t/go-pretty/v6/text"
)

// explainWidth is that of a page which is read in a terminal, a mail or an issue.
const explainWidth, explainLabel = 80, 16

const notRecorded = "not recorded"

// page writes labelled lines, wrapped, below headings.
type page struct{ out *sink }

func (p page) heading(s string) { p.out.printf("\n%s\n", s) }

// line writes a label and a text beside it; what comes from a file is cleaned.
func (p page) line(label, format string, args ...any) {
	s := Clean(fmt.Sprintf(format, args...))
	if s == "" {
		s = notRecorded
	}
	label = Clean(label)
	if n := utf8.RuneCountInString(label); n > explainLabel-1 {
		p.out.printf("  %s\n", label)
		label = ""
	}
	for l := range strings.SplitSeq(text.WrapSoft(s, explainWidth-explainLabel-2), "\n") {
		p.out.printf("%s\n", strings.TrimRight(fmt.Sprintf("  %-*s%s", explainLabel, label, l), " "))
		label = ""
	}
}

// formula writes how a number follows.
func (p page) formula(f formula) {
	p.line(f.name, "%s = %s", f.numbers, inUnit(f.value, f.unit))
	p.line("", "(%s; %s)", f.words, f.unit)
}

// noneOrNot is for figures of which the file does not tell 0 from unknown.
const noneOrNot = "none, or not recorded"

// orElse is a number's text, or what 0 stands for: notRecorded or noneOrNot.
func orElse[T int64 | float64](v T, zero string, write func(T) string) string {
	if v == 0 {
		return zero
	}
	return write(v)
}

// origin says where a row came from.
func (p page) origin(run *datasets.Run, j *Joined) {
	m, meta := &j.Row.Measurement, &run.Meta
	p.heading("Where the row came from")
	p.line("file", "%s", run.Path)
	p.line("source", "%s%s", m.Source, simulatedNote(m.Source))
	p.line("run", "%s", meta.ID)
	p.line("host", "%s", meta.Host)
	p.line("device", "%s %s", j.Row.DeviceID, j.Row.DeviceUUID)
	p.line("program", "%s", meta.Bench)
	p.line("command", "%s", strings.Join(meta.Command, " "))
	when := notRecorded
	if at := m.Conditions.StartUnixNS; at != 0 {
		when = time.Unix(0, at).UTC().Format("2006-01-02 15:04:05 UTC")
	} else if meta.StartUnixS != 0 {
		when = "run began " + time.Unix(meta.StartUnixS, 0).UTC().Format("2006-01-02 15:04:05 UTC")
	}
	p.line("time", "%s", when)
	if o := &m.Origin; m.Source == datasets.SourceImported {
		p.line("imported from", "%s, record %d of %s", strings.TrimSpace(o.Tool+" "+o.ToolVersion), o.Record, o.File)
		p.line("SHA-256", "%s", o.SHA256)
	}
	p.line("work done by", "%s", m.Stack)
	// Under the library's own name is the file that was opened.
	for _, k := range sortedKeys(meta.Environment) {
		lib, library := strings.CutPrefix(k, "library_")
		if library && !strings.Contains(strings.ToLower(m.Stack.String()), lib) {
			continue
		}
		if library || slices.Contains([]string{"cpu", "cores", "isa", "hypervisor", "system", "compiler", "pinned_cpus", "governor", "libcuda", "libcublaslt", "libnccl", "nvidia_driver", "nvml"}, k) {
			p.line(k, "%s", meta.Environment[k])
		}
	}
	if len(meta.Environment) == 0 {
		p.line("environment", notRecorded)
	}
}

var stopMeanings = map[string]string{
	"interval": "the interval was as narrow as asked",
	"budget":   "the case's share of the profile's time ended first",
	"samples":  "the most samples that are kept were taken",
}

// method says how a row was measured.
func (p page) method(run *datasets.Run, j *Joined) {
	m := &j.Row.Measurement
	p.heading("How it was measured")
	if m.Source == datasets.SourceImported {
		p.line("by another tool", "batches, warm-up, clock, stop and verification are not recorded")
		return
	}
	count := func(n int64) string { return Count(int(n)) }
	p.line("a batch", "%s", orElse(m.BatchIterations, notRecorded, func(n int64) string { return count(n) + " iterations; a sample is a batch's seconds over them" }))
	p.line("batches", "%s", orElse(int64(len(m.SamplesS)), notRecorded, func(n int64) string { return count(n) + " timed" }))
	warm := "until two windows of batches agreed; how many there were is " + notRecorded
	if slices.Contains(m.Flags, datasets.FlagWarmup) {
		warm = "windows of batches never agreed (no_warmup)"
	}
	if len(m.SamplesS) == 0 {
		warm = ""
	}
	p.line("warm-up", "%s", warm)
	p.line("clock", "%s", run.Meta.Environment["timer"])
	p.line("cache state", "%s", cacheState(j.Row.Workload))
	p.line("stop", "%s", strings.Trim(m.Stop+": "+stopMeanings[m.Stop], ": "))
	p.line("budget", "profile %s; the case's own seconds are %s", cmp.Or(run.Meta.Profile, notRecorded), notRecorded)
	p.line("retries", "%d", m.Conditions.Retries)
	switch {
	case m.Checked == 0:
		p.line("verification", notRecorded)
	case m.RelErrBound == 0:
		p.line("verification", "%s values checked, %s wrong; they must be equal", Count(int(m.Checked)), Count(int(m.Wrong)))
	default:
		p.line("verification", "%s values checked, %s wrong; largest relative error %.3g, and %.3g is allowed", Count(int(m.Checked)), Count(int(m.Wrong)), m.MaxRelError, m.RelErrBound)
	}
	if m.WallS > 0 {
		p.line("host's clock", "%s an iteration, beside the device's", sixDigits(m.WallS))
	}
}

func cacheState(w datasets.Workload) string {
	if _, ok := w.(datasets.Stream); ok {
		return "what the passes over the working set leave in the caches"
	}
	return string(datasets.CacheOf(w))
}

// sixDigits writes a time so that a reader can go on with it.
func sixDigits(s float64) string { return fmt.Sprintf("%.6g s", s) }

const histogramBins, endValues = 8, 4

// samples shows what was taken.
func (p page) samples(run *datasets.Run, j *Joined) {
	s := j.Row.Measurement.SamplesS
	p.heading("The raw samples, seconds an iteration")
	if len(s) == 0 {
		why := "none: the case was not timed"
		if j.Row.Measurement.Source == datasets.SourceImported {
			why = "none: the other tool's file holds one time for a record"
		}
		p.line("samples", "%s", why)
		return
	}
	sorted := slices.Clone(s)
	slices.Sort(sorted)
	p.line("count", "%s", Count(len(s)))
	for _, q := range []struct {
		name string
		at   float64
	}{{"least", 0}, {"lower quartile", 0.25}, {"median", 0.5}, {"upper quartile", 0.75}, {"greatest", 1}} {
		p.line(q.name, "%s", sixDigits(stats.Quantile(sorted, q.at)))
	}
	if len(s) <= 2*endValues {
		p.line("in order", "%s", list(s))
	} else {
		p.line("the first", "%s", list(s[:endValues]))
		p.line("the last", "%s", list(s[len(s)-endValues:]))
	}
	low, step := sorted[0], (sorted[len(sorted)-1]-sorted[0])/histogramBins
	counts := make([]int, histogramBins)
	for _, v := range sorted {
		bin := 0
		if step > 0 {
			bin = min(int((v-low)/step), histogramBins-1)
		}
		counts[bin]++
	}
	for i, n := range counts {
		if step > 0 {
			bar := strings.Repeat("#", int(math.Ceil(float64(n)*40/float64(slices.Max(counts)))))
			p.line(fmt.Sprintf("from %.4g", low+float64(i)*step), "%5d %s", n, bar)
		}
	}
	p.line("all of them", "bench export %s --format json: samples_s of this key and run_id", cmp.Or(run.Path, "PATH"))
}

func list(s []float64) string {
	out := make([]string, len(s))
	for i, v := range s {
		out[i] = fmt.Sprintf("%.6g", v)
	}
	return strings.Join(out, " ")
}

// interval redoes the step from the samples to the figure.
func (p page) interval(m *datasets.Measurement) {
	p.heading("From the samples to the figure")
	if !m.Usable() {
		p.line("figure", "none: %s", m.Verdict)
		return
	}
	p.line("figure", "%s, the median: %s", sixDigits(m.TimeS), Interval(m))
	n := len(m.SamplesS)
	if n == 0 {
		if m.HighS > m.LowS {
			p.line("interval", "%s to %s, as the tool gave it", sixDigits(m.LowS), sixDigits(m.HighS))
		} else {
			p.line("interval", notRecorded)
		}
		return
	}
	asked := max(m.Confidence, askedConfidence)
	i := stats.MedianInterval(m.SamplesS, asked)
	if n%2 == 1 {
		p.line("median", "the %s smallest of %s", ordinal(n/2+1), Count(n))
	} else {
		p.line("median", "half the sum of the %s and the %s smallest of %s", ordinal(n/2), ordinal(n/2+1), Count(n))
	}
	if i.IndependentRank > 0 {
		p.line("ranks", "of independent samples the %s smallest and the %s greatest would hold the median with %s confidence (binomial, n = %d, p = 1/2)", ordinal(i.IndependentRank), ordinal(i.IndependentRank), Percent(asked), n)
	} else {
		p.line("ranks", "none: %d samples are too few for an interval of %s confidence", n, Percent(asked))
	}
	p.line("correlation", "tau = %.4g: %d samples say as much as %.4g independent ones", i.Tau, n, i.EffectiveN)
	if i.Rank > 0 {
		p.line("widened", "floor(%s - (%s - %d) × sqrt(%.4g)) = %d", num(float64(n+1)/2), num(float64(n+1)/2), i.IndependentRank, i.Tau, i.Rank)
		p.line("interval", "from the %s smallest, %s, to the %s greatest, %s", ordinal(i.Rank), sixDigits(i.Low), ordinal(i.Rank), sixDigits(i.High))
	} else {
		p.line("interval", "too few for such ranks: from the least, %s, to the greatest, %s, at %s confidence", sixDigits(i.Low), sixDigits(i.High), Percent(i.Confidence))
	}
	p.line("half width", "(%.6g - %.6g) / 2 / %.6g = %s", i.High, i.Low, i.Median, Percent(i.RelativeHalfWidth()))
	p.line("formula", "stats.MedianInterval, datasets/stats/interval.go: Conover (1999) 3.2; Heidelberger and Lewis (1984)")
	if i.Median != m.TimeS || i.Low != m.LowS || i.High != m.HighS {
		p.line("the file says", "%s, from %s to %s: NOT what this formula gives; the file was made by another version, or changed", sixDigits(m.TimeS), sixDigits(m.LowS), sixDigits(m.HighS))
	} else {
		p.line("the file says", "the same")
	}
}

// askedConfidence is what every profile asks for (microbench.DefaultSettings); the
// file holds what was reached.
const askedConfidence = 0.95

func ordinal(n int) string {
	suffix := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return Count(n) + suffix
}

// flagMeanings says in words what each flag takes from a row.
var flagMeanings = map[string]string{
	datasets.FlagDrift:       "the sentinel moved beside the case, and did not recover",
	datasets.FlagThrottled:   "the device lowered its clock",
	datasets.FlagShared:      "another process used the device, or kept the workers from it",
	datasets.FlagUnsteady:    "the interval is wider than asked",
	datasets.FlagImplausible: "faster than the physical peak",
	datasets.FlagWarmup:      "it never became steady",
}

// conditions are the machine's state and what it takes from the row.
func (p page) conditions(m *datasets.Measurement) {
	c := &m.Conditions
	p.heading("Conditions")
	p.line("clock", "%s", orElse(c.ClockHz, notRecorded, func(v float64) string { return scaled(v, 1000, "Hz", "kHz", "MHz", "GHz") }))
	p.line("memory clock", "%s", orElse(c.MemoryClockHz, notRecorded, func(v float64) string { return scaled(v, 1000, "Hz", "kHz", "MHz", "GHz") }))
	p.line("governor", "%s", c.Governor)
	p.line("throttled by", "%s", cmp.Or(strings.Join(c.ThrottleReasons, ", "), noneOrNot))
	p.line("temperature", "%s", orElse(c.TemperatureC, notRecorded, func(v float64) string { return threeDigits(v) + " °C" }))
	p.line("power", "%s", orElse(c.PowerWatt, notRecorded, func(v float64) string { return threeDigits(v) + " W" }))
	if m.Source != datasets.SourceImported {
		share := func(v float64) string { return Percent(v) + " of the CPU time" }
		p.line("other processes", "%s", orElse(c.OtherCPURatio, noneOrNot, share))
		p.line("other guests", "%s", orElse(c.StealRatio, noneOrNot, share))
		p.line("sentinel", "%s", orElse(c.SentinelRatio, notRecorded, func(v float64) string { return fmt.Sprintf("%.4g of its time when the run began", v) }))
		p.line("load average", "%s", orElse(c.LoadAverage, notRecorded, threeDigits))
		p.line("ECC errors", "%s", orElse(c.ECCErrors, noneOrNot, func(n int64) string { return Count(int(n)) }))
	}
	for _, f := range m.Flags {
		p.line("flag "+f, "%s", cmp.Or(flagMeanings[f], "a flag that this version does not know"))
		switch f {
		case datasets.FlagUnsteady:
			p.line("", "read: %s at %s confidence, stop %s", Interval(m), Percent(m.Confidence), cmp.Or(m.Stop, notRecorded))
		case datasets.FlagWarmup:
			p.line("", "read: the medians of the warm-up's windows are %s", notRecorded)
		}
	}
	if len(m.Flags) == 0 {
		p.line("flags", "none")
	} else {
		p.line("reason given", "%s", m.Reason)
	}
}
