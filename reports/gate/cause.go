package gate

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bench/datasets"
	"bench/reports/compare"
)

// explain gives every failure and improvement what its terms and conditions
// suggest. What changed between the nights before and after is likelier a cause
// than what merely binds.
func (r *Result) explain() {
	// Of the workloads that one term binds, how many changed with this one.
	type id struct{ against, device, binds string }
	changed, all := map[id]int{}, map[id]int{}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Binds == "" {
			f.Binds = binds(f)
		}
		k := id{f.Against, f.Device, f.Binds}
		if f.Outcome != CantTell {
			all[k]++
		}
		if f.Outcome == Fail {
			changed[k]++
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if (f.Outcome != Fail && f.Outcome != Improved) || f.MeasuredS == 0 {
			continue
		}
		f.Causes = append(f.Causes, differences(f)...)
		f.Causes = append(f.Causes, states(&f.row.Row.Measurement)...)
		if k := (id{f.Against, f.Device, f.Binds}); f.Outcome == Fail && f.Binds != "" {
			s := suspect(f.Binds)
			if n := all[k]; n > 1 {
				s = fmt.Sprintf("%s; %d of %d workloads that it binds fail", s, changed[k], n)
			}
			f.Causes = append(f.Causes, s)
		}
	}
}

// binds is the binding term of the most informed prediction.
func binds(f *Finding) string {
	for _, tier := range informed {
		for i := range f.row.Predictions {
			if p := &f.row.Predictions[i]; p.Tier == tier && p.NotPredicted == "" {
				return p.Binds
			}
		}
	}
	return ""
}

// differences names what else changed with the level: this night against the
// last one before the change.
func differences(f *Finding) []string {
	at := len(f.past) - max(f.Nights, 1)
	if f.Against != AgainstHistory || at < 0 || at >= len(f.past) {
		return nil
	}
	before := f.past[at]
	row := f.row.Row
	now := measured{row: row}
	// The first night after the change says what came with it.
	if first := at + 1; first < len(f.past) {
		now = f.past[first]
	}
	var out []string
	if now.run != nil {
		for _, c := range compare.Differences(before.run, before.row, now.run, now.row) {
			out = append(out, c.Text)
		}
	} else {
		out = f.tonightsDifferences(before)
	}
	b, n := &before.row.Measurement, &row.Measurement
	if b.Stack != n.Stack {
		out = append(out, fmt.Sprintf("%s did the work before, and now %s", b.Stack, n.Stack))
	}
	if b.MeanLoad > 0 && n.MeanLoad > 0 && math.Abs(math.Log(n.MaxLoad/n.MeanLoad/(b.MaxLoad/b.MeanLoad))) > math.Log1p(0.02) {
		out = append(out, fmt.Sprintf("the most loaded expert has %.2f × the mean load, and had %.2f ×", n.MaxLoad/n.MeanLoad, b.MaxLoad/b.MeanLoad))
	}
	return out
}

// tonightsDifferences compares with the night that is judged.
func (f *Finding) tonightsDifferences(before measured) []string {
	var out []string
	for _, c := range compare.Differences(before.run, before.row, f.run, f.row.Row) {
		out = append(out, c.Text)
	}
	if f.run.Meta.Bench != before.run.Meta.Bench {
		out = append(out, fmt.Sprintf("bench itself was %q and is %q", before.run.Meta.Bench, f.run.Meta.Bench))
	}
	for _, k := range slices.Sorted(maps.Keys(f.run.Meta.Environment)) {
		is, was := f.run.Meta.Environment[k], before.run.Meta.Environment[k]
		if was != "" && was != is && strings.Contains(strings.ToLower(k), "version") {
			out = append(out, fmt.Sprintf("%s was %q and is %q", k, was, is))
		}
	}
	return out
}

// states names what the conditions of the case itself say.
func states(m *datasets.Measurement) []string {
	var out []string
	c := &m.Conditions
	if len(c.ThrottleReasons) > 0 {
		out = append(out, "the device reported "+strings.Join(c.ThrottleReasons, ", "))
	}
	if c.ECCErrors > 0 {
		out = append(out, fmt.Sprintf("%d uncorrected ECC errors", c.ECCErrors))
	}
	if c.Governor != "" && c.Governor != "performance" && !strings.Contains(c.Governor, "not") {
		out = append(out, "the frequency governor is "+c.Governor)
	}
	return out
}

// suspect is where to look when what a term binds is slow.
func suspect(binds string) string {
	where := map[string]string{
		"compute":           "arithmetic binds: look at the clock, power and thermal limits, and the library that did the work",
		"memory":            "main memory binds: look at the memory clock, ECC, neighbours and NUMA placement",
		"cache":             "a cache binds: look at neighbours that share it, and huge pages",
		"communication":     "communication binds: look at links that are down or slower, the route between ranks, and whether the switch reduces",
		"launch":            "launching binds: look at the driver, the CPU's clock and C-states",
		"latency":           "latency binds: look at the driver, the CPU's clock and C-states",
		"imbalance":         "the most loaded expert or rank binds: look at the routing and at a slow rank",
		"tile_padding":      "padding of tiles binds: look at the kernel that the library chose",
		"wave_quantization": "the last wave binds: look at how many units the device has, and the kernel that the library chose",
	}
	if s := where[binds]; s != "" {
		return s
	}
	return binds + " binds"
}
