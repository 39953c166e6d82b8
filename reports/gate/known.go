package gate

import (
	_ "embed" // the known errors are a table that make validate writes
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports"
)

// Known is how much slower than a tier predicts sound hardware was measured:
// quantiles of measured / predicted over the rows of a validation.
type Known struct {
	Device string
	Tier   datasets.Tier
	// Tool made the rows, Suite, Op, DType and Regime sort them; each may be
	// reports.All.
	Tool, Suite, Op, DType, Regime string
	N                              int
	// P50, P90 and P99 are quantiles, the last rounded away from 1; Max is the
	// slowest row.
	P50, P90, P99, Max float64
}

// LeastKnown is how many rows of a validation it takes: of fewer, the slowest
// in a hundred cannot be known (an exchangeable row is slower than all n with
// probability 1/(n+1); Vovk, Gammerman and Shafer, "Algorithmic Learning in a
// Random World", 2005, section 2.2).
const LeastKnown = 99

//go:embed known_errors.csv
var published string

// Published is the known errors of the catalogue's devices, on the half of the
// recorded measurements that no fit has seen.
var Published = sync.OnceValues(func() ([]Known, error) {
	return ReadKnown(strings.NewReader(published), "known_errors.csv")
})

var knownColumns = []string{"device", "tier", "tool", "suite", "op", "dtype", "regime", "n", "p50", "p90", "p99", "max"}

// ReadKnown reads what WriteKnown writes.
func ReadKnown(r io.Reader, name string) ([]Known, error) {
	c := csv.NewReader(r)
	c.Comment = '#'
	records, err := c.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(records) == 0 || !slices.Equal(records[0], knownColumns) {
		return nil, fmt.Errorf("%s: the first line must be %s, as bench validate --known-errors writes it", name, strings.Join(knownColumns, ","))
	}
	var out []Known
	for i, f := range records[1:] {
		k := Known{Device: f[0], Tier: datasets.Tier(f[1]), Tool: f[2], Suite: f[3], Op: f[4], DType: f[5], Regime: f[6]}
		var bad error
		if k.N, err = strconv.Atoi(f[7]); err != nil || k.N < 1 {
			bad = fmt.Errorf("%q is no count", f[7])
		}
		for j, v := range []*float64{&k.P50, &k.P90, &k.P99, &k.Max} {
			if *v, err = strconv.ParseFloat(f[8+j], 64); err != nil || !(*v > 0) || math.IsInf(*v, 0) {
				bad = fmt.Errorf("%s is %q, and must be a ratio above 0", knownColumns[8+j], f[8+j])
			}
		}
		if bad != nil {
			return nil, fmt.Errorf("%s, record %d: %w", name, i+2, bad)
		}
		out = append(out, k)
	}
	return out, nil
}

// WriteKnown writes a table of known errors.
func WriteKnown(w io.Writer, known []Known) error {
	c := csv.NewWriter(w)
	c.Write(knownColumns)
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	for _, k := range known {
		c.Write([]string{k.Device, string(k.Tier), k.Tool, k.Suite, k.Op, k.DType, k.Regime, strconv.Itoa(k.N),
			number(k.P50), number(k.P90), number(k.P99), number(k.Max)})
	}
	c.Flush()
	return c.Error()
}

// KnownErrors sums up rows that were measured on sound hardware: for each
// device, tier, tool, suite, op, data type and regime, and rolled up over
// regimes, then data types, then ops, and over tools. keep chooses the rows.
func KnownErrors(rows []reports.Joined, tiers []datasets.Tier, keep func(*reports.Joined, datasets.Tier) bool) []Known {
	ratios := map[Known][]float64{}
	for i := range rows {
		j := &rows[i]
		for t, tier := range tiers {
			e, ok := j.Error(t)
			if !ok || !keep(j, tier) {
				continue
			}
			w := j.Row.Workload
			for _, tool := range []string{j.Row.Measurement.Origin.Tool, reports.All} {
				k := Known{Device: j.Row.DeviceID, Tier: tier, Tool: tool, Suite: string(w.Suite()), Op: w.Op(), DType: string(w.DType()), Regime: string(j.Regime)}
				for _, up := range rollUps(k) {
					ratios[up] = append(ratios[up], 1/(1+e))
				}
			}
		}
	}
	var out []Known
	for k, r := range ratios {
		slices.Sort(r)
		k.N, k.P50, k.P90, k.Max = len(r), stats.Quantile(r, 0.5), stats.Quantile(r, 0.9), r[len(r)-1]
		// The rank that an exchangeable row exceeds with at most 1 %.
		k.P99 = r[min(len(r), int(math.Ceil(0.99*float64(len(r)+1))))-1]
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Known) int { return strings.Compare(a.name(), b.name()) })
	return out
}

// ValidatedErrors is the known errors that a validation shows, on the half that
// no fit has seen, in groups that are large enough to be used.
func ValidatedErrors(v *reports.Validation) []Known {
	known := KnownErrors(v.Report.Rows, v.Report.Tiers, func(j *reports.Joined, _ datasets.Tier) bool { return j.Split == datasets.TestHalf })
	return slices.DeleteFunc(known, func(k Known) bool { return k.N < LeastKnown })
}

func (k *Known) name() string {
	return strings.Join([]string{k.Device, string(k.Tier), k.Tool, k.Suite, k.Op, k.DType, k.Regime}, "\x00")
}

// rollUps lists a group and those that hold it, the finest first.
func rollUps(k Known) []Known {
	out := []Known{k}
	for _, field := range []func(*Known){
		func(k *Known) { k.Regime = reports.All }, func(k *Known) { k.DType = reports.All }, func(k *Known) { k.Op = reports.All }} {
		field(&k)
		out = append(out, k)
	}
	return out
}

// knownIndex finds the known error of a row.
type knownIndex map[string]Known

func index(known []Known) knownIndex {
	x := knownIndex{}
	for _, k := range known {
		x[k.name()] = k
	}
	return x
}

// of is the finest group of at least LeastKnown rows that a row of a tier
// belongs to: of the same tool where the rows are imported, else of all. Where
// there is none, n is how many rows the widest has.
func (x knownIndex) of(j *reports.Joined, tier datasets.Tier) (k Known, ok bool, n int) {
	w := j.Row.Workload
	tools := []string{reports.All}
	if t := j.Row.Measurement.Origin.Tool; t != "" {
		tools = []string{t, reports.All}
	}
	for _, tool := range tools {
		k := Known{Device: j.Row.DeviceID, Tier: tier, Tool: tool, Suite: string(w.Suite()), Op: w.Op(), DType: string(w.DType()), Regime: string(j.Regime)}
		for _, up := range rollUps(k) {
			if found, ok := x[up.name()]; ok {
				if found.N >= LeastKnown {
					return found, true, found.N
				}
				n = max(n, found.N)
			}
		}
	}
	return Known{}, false, n
}

// words says which group it is.
func (k *Known) words() string {
	s := string(k.Tier) + " tier, " + k.Suite
	for _, f := range []string{k.Op, k.DType, k.Regime} {
		if f != reports.All && f != "" {
			s += "/" + f
		}
	}
	return fmt.Sprintf("%s on %s, %s rows", s, k.Device, reports.Count(k.N))
}
