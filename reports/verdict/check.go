package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/predict"
)

// Options are what the user says beside the files.
type Options struct {
	// Device stands in the place of the rows' device, nil takes theirs.
	Device *datasets.Device
	// Model and TP are those of a served model, nil and 0 where they are not given.
	Model *datasets.Model
	TP    int
	// System is the node, nil where it is not given: network cards and fabric.
	System *datasets.System
}

// Finding is one thing that was judged. JSON is bench.check/1 (DESIGN).
type Finding struct {
	What     string   `json:"what"`
	Verdict  Word     `json:"verdict"`
	Measured float64  `json:"measured"`
	Low      float64  `json:"expected_low"`
	Typical  float64  `json:"expected_typical"`
	High     float64  `json:"expected_high"`
	Unit     string   `json:"unit"`
	Tier     string   `json:"tier"`
	Why      string   `json:"why"`
	Assumed  []string `json:"assumed"`

	// Subject is the machine and the operation, Where which sizes or which GPU.
	Subject string `json:"-"`
	Where   string `json:"-"`
	// Ratio is measured time over usual time; Faster than the range.
	Ratio  float64 `json:"-"`
	Faster bool    `json:"-"`
	// aside findings decide nothing where others do.
	aside bool
}

// Result is what check says of everything that it was given.
type Result struct {
	Schema   string    `json:"schema"`
	Verdict  Word      `json:"verdict"`
	Summary  string    `json:"summary"`
	Findings []Finding `json:"findings"`
	// Notes are remarks of the readers.
	Notes []string `json:"notes,omitempty"`
}

// point is a row of a series, in few bytes: a million of them must fit.
type point struct {
	size    int64
	timeS   float64
	*detail // nil in a series of collectives
}

// detail is what a row has beside a size and a time.
type detail struct {
	workload datasets.Workload
	m        *datasets.Measurement
	gpu      string
}

// series are the rows of one subject.
type series struct {
	device     datasets.Device
	deviceName string
	first      datasets.Workload
	stack      datasets.Stack
	tool       string
	points     []point
	dtypes     []datasets.DType
	// wrong counts rows with wrong answers or errors.
	wrong int
}

// seriesKey tells subjects apart.
type seriesKey struct {
	device, suite, op, rest string
	ranks, nodes            int
	size                    int64
}

// Checker collects rows and judges them.
type Checker struct {
	Options
	order  []seriesKey
	series map[seriesKey]*series
	last   *series
	key    seriesKey
	// findings that files brought along.
	findings []Finding
	notes    []string
	assumed  []string
}

// Add takes a row, with the device that its file describes, nil where it has none.
func (c *Checker) Add(row *datasets.Row, device *datasets.Device) {
	w := row.Workload
	k := seriesKey{device: row.DeviceID, suite: string(w.Suite()), op: w.Op(), ranks: w.Workers()}
	switch v := w.(type) {
	case datasets.Collective:
		k.nodes, k.rest = v.Nodes, v.Launch
	case datasets.Stream:
		k.size, k.rest = v.SizeBytes, row.Measurement.Stack.KernelSource
	case datasets.ModelPass:
		k.rest = w.Key()
	case datasets.Serve: // all figures of a service together
		v.Kernel = ""
		k.op, k.rest = "serve", v.Key()
	default:
		k.rest = string(w.DType())
	}
	if c.last == nil || c.key != k {
		if c.series == nil {
			c.series = map[seriesKey]*series{}
		}
		s := c.series[k]
		if s == nil {
			s = &series{first: w, stack: row.Measurement.Stack, tool: row.Measurement.Origin.Tool, deviceName: row.DeviceID}
			if device != nil {
				s.device, s.deviceName = *device, cmp.Or(device.Name, row.DeviceID)
			}
			c.series[k], c.order = s, append(c.order, k)
		}
		c.last, c.key = s, k
	}
	s := c.last
	p := point{timeS: row.Measurement.TimeS}
	if row.Measurement.Wrong > 0 || row.Measurement.Verdict == datasets.Failed {
		s.wrong++
	}
	if v, ok := w.(datasets.Collective); ok {
		p.size = v.SizeBytes
	} else {
		p.detail = &detail{workload: w, gpu: row.DeviceUUID}
		if row.Measurement.Source == datasets.SourceMeasured {
			m := row.Measurement
			p.m = &m
		}
	}
	if row.Measurement.Verdict == datasets.Skipped {
		return
	}
	s.points = append(s.points, p)
	if !slices.Contains(s.dtypes, w.DType()) {
		s.dtypes = append(s.dtypes, w.DType())
	}
}

// Note keeps what a file's reader inferred, and why nothing can be said of it.
func (c *Checker) Note(file, format string, assumed, problems, notes []string, wrong int64) {
	c.assumed = append(c.assumed, assumed...)
	c.notes = append(c.notes, notes...)
	if wrong > 0 {
		c.findings = append(c.findings, Finding{What: "answers", Verdict: Broken, Subject: format, Measured: float64(wrong), Unit: "wrong values", Assumed: []string{},
			Why: fmt.Sprintf("%s reports %d wrong values: a faulty link, memory or library; no speed counts until that is mended", format, wrong)})
	}
	for _, p := range problems {
		c.findings = append(c.findings, Finding{What: format, Verdict: CantSay, Subject: format, Why: p, Assumed: assumed})
	}
}

// Result judges all that was added.
func (c *Checker) Result() *Result {
	r := &Result{Schema: "bench.check/1", Findings: slices.Clone(c.findings), Notes: c.notes}
	cant := slices.ContainsFunc(c.findings, func(f Finding) bool { return f.Verdict == CantSay })
	for _, k := range c.order {
		s := c.series[k]
		if cant && s.tool == "nccl-tests" {
			continue // its shape is in doubt
		}
		r.Findings = append(r.Findings, c.judge(s)...)
	}
	decided := slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.aside })
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Assumed = append(slices.Clone(c.assumed), f.Assumed...)
		if f.Assumed == nil {
			f.Assumed = []string{}
		}
		if r.Verdict == "" {
			r.Verdict = AsExpected
		}
		if !f.aside || !decided {
			r.Verdict = Worse(r.Verdict, f.Verdict)
		}
	}
	if len(r.Findings) == 0 {
		r.Verdict = CantSay
		r.Summary = "nothing was measured that could be judged"
		return r
	}
	sort.SliceStable(r.Findings, func(i, j int) bool {
		a, b := &r.Findings[i], &r.Findings[j]
		return severity[a.Verdict] > severity[b.Verdict] && !a.aside
	})
	r.Summary = r.Findings[0].Sentence()
	return r
}

// resolve is the device of a series, and why there is none.
func (c *Checker) resolve(s *series) (datasets.Device, string) {
	d := s.device
	if c.Device != nil {
		d = *c.Device
	} else if known, err := catalog.Lookup(d.ID); err == nil && d.ID != "" {
		known.Ceilings = d.Ceilings
		d = known
	}
	if d.MemoryBandwidth.Value == 0 && len(d.PeakFLOPs) == 0 {
		if strings.Contains(s.deviceName, " + ") {
			return d, "GPUs of more than one kind (" + s.deviceName + "): give --device the slower one"
		}
		if s.deviceName == "" || s.deviceName == "unknown" {
			return d, "nothing says which GPU this was: give --device, such as --device h100-sxm (bench catalog devices lists them)"
		}
		return d, fmt.Sprintf("nothing is known of %s: give --device NAME, or FILE.json with its figures", s.deviceName)
	}
	return d, ""
}

func (c *Checker) judge(s *series) []Finding {
	d, why := c.resolve(s)
	base := Finding{What: s.first.Op(), Subject: s.subject(&d)}
	if n := s.wrong; n > 0 {
		f := base
		f.Verdict, f.Measured, f.Unit = Broken, float64(n), "rows with wrong values"
		f.Why = fmt.Sprintf("%d rows have wrong values or failed: no speed counts until that is mended", n)
		return []Finding{f}
	}
	if _, ok := s.first.(datasets.Serve); ok {
		return []Finding{c.serve(s, d, why, base)}
	}
	if why != "" {
		base.Verdict, base.Why = CantSay, why
		if len(s.points) > 0 && s.points[0].timeS > 0 {
			w := s.at(0)
			base.Measured, base.Unit = rate(w, medianTime(s.points))
		}
		return []Finding{base}
	}
	if c.System != nil {
		system := *c.System
		if w, ok := s.first.(datasets.Collective); ok && system.GPUs == 0 {
			system.GPUs = max(cmp.Or(d.HostSize, d.NodeSize), w.Ranks/max(w.Nodes, 1))
		}
		system.GPUs = max(system.GPUs, 1)
		system.Apply(&d)
	}
	switch w := s.first.(type) {
	case datasets.Collective:
		return c.collective(s, d, w, base)
	case datasets.Stream:
		return c.matrix(s, d, base)
	}
	return c.general(s, d, base)
}

// at is the workload of a point.
func (s *series) at(i int) datasets.Workload {
	if p := s.points[i]; p.detail != nil {
		return p.workload
	}
	c := s.first.(datasets.Collective)
	c.SizeBytes = s.points[i].size
	return c
}

// widest is how much slower than predicted a row may be and still be called sound.
const widest = 1.9

// Expect is what is expected of a workload: by the most informed tier that knows its
// range; of transfers and collectives, what published machines reach as well, since
// one machine's calibration is not everyone's.
func Expect(d *datasets.Device, w datasets.Workload) (Expected, string) {
	bound := predict.New(*d, datasets.TierDatasheet).Predict(w)
	e, ok := byShares(d, w, bound)
	switch w.(type) {
	case datasets.Stream, datasets.Collective, datasets.ModelPass:
		if !ok {
			return e, cmp.Or(bound.NotPredicted, "nothing is published of what sound machines reach in "+w.Op())
		}
		return e, ""
	}
	for _, tier := range []datasets.Tier{datasets.TierCalibrated, datasets.TierTransferred, datasets.TierCeilings} {
		p := predict.New(*d, tier).Predict(w)
		if p.NotPredicted == "" && p.LowS > 0 && p.HighS > 0 {
			e := Expected{LowS: p.LowS, TypicalS: p.Seconds, HighS: p.HighS, Tier: tier,
				Why: strings.ReplaceAll(p.Binds, "_", " ") + " binds", Source: p.Machine}
			if most := widest * p.Seconds; e.HighS > most {
				// A range that wide holds machines at half of what they should give.
				e.HighS, e.FloorS = most, e.HighS
			}
			return e, ""
		}
	}
	if bound.NotPredicted != "" {
		return e, bound.NotPredicted
	}
	return Expected{BoundS: bound.Seconds, Tier: datasets.TierDatasheet}, "only the datasheet's bound is known of it: bench calibrate fits a range to a device's own rows"
}

// fill sets a finding's figures from times, as rates where the workload has one.
func (f *Finding) fill(w datasets.Workload, t float64, e Expected, word Word, faster bool) {
	f.Verdict, f.Faster, f.Tier = word, faster, string(e.Tier)
	f.Measured, f.Unit = rate(w, t)
	if e.HighS > 0 {
		f.Low, _ = rate(w, e.HighS)
		f.Typical, _ = rate(w, e.TypicalS)
		f.High, _ = rate(w, e.LowS)
		if f.Low > f.High {
			f.Low, f.High = f.High, f.Low
		}
		f.Ratio = t / e.TypicalS
	}
	if (word == Slow || word == CantSay) && f.Why == "" {
		f.Why = e.Why
	}
	if faster && e.BoundS > 0 && t < e.BoundS/1.02 {
		f.Why = "faster than the datasheet's bound: a cache, a wrong size or another device than is said"
	}
}

// rate is a time as people quote it of the workload, with its unit.
func rate(w datasets.Workload, t float64) (float64, string) {
	switch v := w.(type) {
	case datasets.Collective:
		return v.WireBytes() / t / 1e9, "GB/s"
	case datasets.Stream:
		switch v.Kernel {
		case "peer", "copy_engine":
			return float64(v.SizeBytes) / 2 / t / 1e9, "GB/s"
		case "latency", "launch":
			return t * 1e6, "us"
		}
		return v.Bytes() / t / 1e9, "GB/s"
	case datasets.ModelPass:
		return float64(v.QueryTokens) / t, "tokens/s"
	case datasets.GEMM:
		return v.FLOPs() / t / 1e12, "TFLOP/s"
	}
	return t * 1e6, "us"
}

func medianTime(points []point) float64 {
	t := make([]float64, len(points))
	for i, p := range points {
		t[i] = p.timeS
	}
	slices.Sort(t)
	if len(t) == 0 {
		return math.NaN()
	}
	return t[len(t)/2]
}

// matrix judges the cells of one transfer or stream: the median, and each GPU or pair
// that is off.
func (c *Checker) matrix(s *series, d datasets.Device, f Finding) []Finding {
	w := s.at(0)
	e, why := Expect(&d, w)
	t := medianTime(s.points)
	if why != "" {
		f.Measured, f.Unit = rate(w, t)
		f.Verdict, f.Why = CantSay, why
		return []Finding{f}
	}
	if st := w.(datasets.Stream); class(&d, w, "") == "memory" && d.LastLevel().SizeBytes.Value > 0 && float64(st.SizeBytes) < 2*d.LastLevel().SizeBytes.Value {
		f.Measured, f.Unit = rate(w, t)
		f.Verdict, f.Why, f.aside = CantSay, "the arrays fit the cache: make them larger than twice its size", true
		return []Finding{f}
	}
	word, faster := Judge(s.measurement(t), e)
	f.fill(w, t, e, word, faster)
	if k := s.first.(datasets.Stream).Kernel; k == "host_to_device" || k == "device_to_host" {
		f.Assumed = append(f.Assumed, fmt.Sprintf("the link to the host as %s has it, %.3g GB/s a direction", d.ID, d.PCIeBandwidth.Value/1e9))
	}
	out := []Finding{f}
	for _, odd := range s.odd(t) {
		o := f
		o.Where = odd.name
		w, _ := Judge(&datasets.Measurement{TimeS: odd.t}, e)
		if severity[w] < severity[word] || w == AsExpected && word != AsExpected {
			continue
		}
		if w == AsExpected {
			out[0].Where = fmt.Sprintf("%s is %.0f %% below the others", odd.name, 100*(1-t/odd.t))
			continue
		}
		o.Why = ""
		o.fill(s.at(0), odd.t, e, w, false)
		o.Why = fmt.Sprintf("%.0f %% below the others", 100*(1-t/odd.t))
		if word == AsExpected {
			out = append(out, o)
		}
	}
	return out
}

type oddOne struct {
	name string
	t    float64
}

// odd names the GPUs, or else the pairs, whose times stand out by a tenth.
func (s *series) odd(median float64) (out []oddOne) {
	const off = 1.10
	by := map[string][]point{}
	var names []string
	add := func(name string, p point) {
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], p)
	}
	for _, p := range s.points {
		if pair := p.workload.(datasets.Stream).Pair; pair != "" {
			from, to, _ := strings.Cut(pair, "-")
			add("GPU "+from+"'s row", p)
			add("GPU "+to+"'s column", p)
			add("pair "+pair, p)
		} else {
			add(p.gpu, p)
		}
	}
	if len(s.points) < 3 {
		return nil
	}
	for _, n := range names {
		if t := medianTime(by[n]); n != "" && t > off*median && (len(by[n]) > 1 || !strings.HasSuffix(n, "row") && !strings.HasSuffix(n, "column")) {
			out = append(out, oddOne{n, t})
		}
	}
	// A row that is off makes its pairs so.
	if slices.ContainsFunc(out, func(o oddOne) bool { return !strings.HasPrefix(o.name, "pair") }) {
		out = slices.DeleteFunc(out, func(o oddOne) bool { return strings.HasPrefix(o.name, "pair") })
	}
	return out[:min(len(out), 4)]
}

// measurement stands for a series' middle: of a single row its own.
func (s *series) measurement(t float64) *datasets.Measurement {
	if len(s.points) == 1 && s.points[0].detail != nil && s.points[0].m != nil {
		return s.points[0].m
	}
	return &datasets.Measurement{TimeS: t}
}
