package predict

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/predict/fit"
)

const (
	// A search looks at some rows, a refinement at more.
	searchRows, refineRows = 600, 2500
	searchSteps            = 25
	// minRows is the fewest rows that a law is fitted to: one has some eight
	// parameters of its own, and a start that holds them.
	minRows = 20
	// pull is how many rows off by a width of the prior the prior is worth.
	pull = 0.5
	// priorWidth is how far, in shares of its range, a parameter is expected to
	// lie from that of the nearest machine and stack: from an A100 to an H100 and
	// from vLLM to TensorRT-LLM most moved by less than a sixth.
	priorWidth = 0.15
	// folds of the cross-validation where all rows are fitted.
	folds = 5
)

// Options of a calibration.
type Options struct {
	// Source names the data.
	Source string
	// All fits every row and reports a cross-validated error; else the fit half
	// (datasets.SplitOf) is fitted, and the other half reports.
	All bool
	// Priors are the calibrations to start from, the nearest first.
	Priors []*datasets.Calibration
}

// Calibrate fits the machine's and each stack's parameters to the rows that were
// timed on dev, and the facts of each library.
//
// The loss is the mean of |ln(predicted/measured)|: it is the mean absolute
// percentage error to first order, treats twice and half alike, and a row that
// is wrong by a large factor pulls no harder than its sign. Each law starts from
// the nearest prior, which holds it by a simple penalty, so that few rows do.
// What has fewer than 20 rows is left out and named. It is an error where that
// leaves nothing.
//
// The result is deterministic and does not depend on the rows' order.
func Calibrate(dev datasets.Device, rows []datasets.Row, o Options) (datasets.Calibration, error) {
	out := datasets.Calibration{Device: dev.ID, Arch: dev.Arch, Source: o.Source}
	groups, leftOut := groupsOf(&dev, rows, o)
	out.LeftOut = leftOut
	if len(groups) == 0 {
		return out, fmt.Errorf("calibrate: no law has %d usable rows of %s to fit: give rows timed on it", minRows, dev.ID)
	}
	each(groups, func(g *group) { g.search() })
	out.Machine = shareMachine(groups)
	each(groups, func(g *group) { g.finish() })
	for _, g := range groups {
		i := slices.IndexFunc(out.Stacks, func(s datasets.StackFit) bool {
			return s.Library == g.stack.Library && s.Version == g.stack.Version
		})
		if i < 0 {
			i = len(out.Stacks)
			out.Stacks = append(out.Stacks, datasets.StackFit{Library: g.stack.Library, Version: g.stack.Version})
		}
		out.Stacks[i].Laws = append(out.Stacks[i].Laws, g.result)
	}
	slices.SortStableFunc(out.Stacks, func(a, b datasets.StackFit) int { return cmp.Compare(rowsOf(&b), rowsOf(&a)) })
	return out, nil
}

func rowsOf(s *datasets.StackFit) (n int) {
	for i := range s.Laws {
		n += s.Laws[i].FitN
	}
	return n
}

// observation is a usable row with what the fit needs of its key.
type observation struct {
	workload datasets.Workload
	seconds  float64
	key      string
	hash     uint64
}

// group is the rows of one law, variant and stack, which are fitted together.
type group struct {
	dev      *datasets.Device
	law      *Law
	stack    datasets.Stack
	variant  datasets.Variant
	fit, all []observation
	test     []observation
	options  Options

	prior  []float64
	values []float64
	facts  []int
	result datasets.LawFit
}

// groupsOf sorts usable rows, in an order that depends on their keys alone and
// mixes all shapes, so that any prefix is a fair sample.
func groupsOf(dev *datasets.Device, rows []datasets.Row, o Options) (groups []*group, leftOut []string) {
	by := map[choice]*group{}
	declined := map[string]int{}
	for i := range rows {
		r := &rows[i]
		if r.DeviceID != dev.ID || !r.Measurement.Usable() {
			continue
		}
		law := lawOf(r.Workload)
		if law == nil {
			continue // what is not predicted is counted where it is reported
		}
		if why := law.Declines(dev, r.Workload); why != "" {
			declined[law.Name+": "+why]++
			continue
		}
		s := r.Measurement.Stack
		v := variantOf(r.Workload)
		v.KernelSource = s.KernelSource
		k := choice{law, v, s.Library, s.Version}
		g := by[k]
		if g == nil {
			g = &group{dev: dev, law: law, stack: s, variant: v, options: o}
			by[k] = g
			groups = append(groups, g)
		}
		key := r.Workload.Key()
		h := fnv.New64a()
		h.Write([]byte(key))
		g.all = append(g.all, observation{r.Workload, r.Measurement.TimeS, key, h.Sum64()})
	}
	for _, g := range groups {
		slices.SortFunc(g.all, func(a, b observation) int {
			return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.key, b.key), cmp.Compare(a.seconds, b.seconds))
		})
		for _, row := range g.all {
			if o.All || datasets.SplitOf(row.key) == datasets.FitHalf {
				g.fit = append(g.fit, row)
			} else {
				g.test = append(g.test, row)
			}
		}
	}
	slices.SortFunc(groups, func(a, b *group) int { return strings.Compare(a.name(), b.name()) })
	groups = slices.DeleteFunc(groups, func(g *group) bool {
		if len(g.fit) < minRows {
			leftOut = append(leftOut, fmt.Sprintf("%s: %d rows to fit, %d are needed", g.name(), len(g.fit), minRows))
		}
		return len(g.fit) < minRows
	})
	for why, n := range declined {
		leftOut = append(leftOut, fmt.Sprintf("%s: %d rows", why, n))
	}
	slices.Sort(leftOut)
	return groups, leftOut
}

func (g *group) name() string {
	return strings.TrimSpace(g.stack.Library+" "+g.stack.Version) + " " + strings.TrimSpace(g.law.Name+" "+g.variant.String())
}

// each calls f for every group, on several cores.
func each(groups []*group, f func(*group)) {
	var wg sync.WaitGroup
	next := make(chan *group)
	for range 4 {
		wg.Go(func() {
			for g := range next {
				f(g)
			}
		})
	}
	for _, g := range groups {
		next <- g
	}
	close(next)
	wg.Wait()
}

// residuals fills out with ln(predicted/measured), 10 where there is no time.
func (g *group) residuals(obs []observation, values []float64, facts []int, out []float64) {
	k := kernel{law: g.law, dev: g.dev, values: values, facts: facts}
	for i := range obs {
		s := g.law.seconds(&k, obs[i].workload)
		out[i] = 10
		if s > 0 && !math.IsInf(s, 0) {
			out[i] = math.Log(s / obs[i].seconds)
		}
	}
}

// problem is the fit of the law's parameters to the first rows observations; of
// those of the machine only where free.
func (g *group) problem(obs []observation, rows int, facts []int, machineFree bool) *fit.Problem {
	obs = obs[:min(rows, len(obs))]
	p := &fit.Problem{N: len(obs), Prior: g.prior, Pull: pull, Box: make([]fit.Range, len(g.law.Parameters)), Width: make([]float64, len(g.law.Parameters))}
	for i, q := range g.law.Parameters {
		p.Box[i], p.Width[i] = fit.Range{Min: q.Min, Max: q.Max}, priorWidth
		if isMachine(q.Name) && !machineFree {
			p.Box[i] = fit.Range{Min: g.values[i], Max: g.values[i]}
		}
	}
	p.Residuals = func(v, out []float64) { g.residuals(obs, v, facts, out) }
	return p
}

// search finds the facts and a first set of values, the machine's among them.
func (g *group) search() {
	g.facts = make([]int, len(g.law.Facts))
	g.prior = make([]float64, len(g.law.Parameters))
	starts := [][]float64{nil}
	for i, q := range g.law.Parameters {
		g.prior[i] = q.Value
	}
	starts[0] = g.prior
	if f, machine := nearestPrior(g); f != nil {
		g.prior, g.facts = g.law.valuesOf(f, machine), g.law.factsOf(f)
		starts = append([][]float64{g.prior}, starts...)
	}
	try := func(start []float64, facts []int, steps int) ([]float64, float64) {
		return g.problem(g.fit, searchRows, facts, true).Minimize(start, steps)
	}
	least := math.Inf(1)
	for _, start := range starts {
		if v, l := try(start, g.facts, searchSteps); l < least {
			g.values, least = v, l
		}
	}
	// One fact after the other, twice, as one may depend on another. A change must
	// buy something, or few rows would choose by chance.
	for range 2 {
		changed := false
		for i, fact := range g.law.Facts {
			for option := range fact.Options {
				if option == g.facts[i] {
					continue
				}
				facts := slices.Clone(g.facts)
				facts[i] = option
				if v, l := try(g.values, facts, 6); l < least*(1-0.01-1/float64(len(g.fit))) {
					g.values, g.facts, least, changed = v, facts, l, true
				}
			}
		}
		if !changed {
			break
		}
	}
	if v, l := try(g.values, g.facts, searchSteps); l < least {
		g.values = v
	}
}

// nearestPrior is the fit to start from, with its machine part.
func nearestPrior(g *group) (best *datasets.LawFit, machine []datasets.Parameter) {
	least := float64(otherFormat)
	for order, c := range g.options.Priors {
		for i := range c.Stacks {
			s := &c.Stacks[i]
			for j := range s.Laws {
				f := &s.Laws[j]
				if f.Law != g.law.Name {
					continue
				}
				d := distance(f.Variant, g.variant) + float64(order)
				if s.Library != g.stack.Library {
					d += otherLib
				}
				if d < least {
					least, best, machine = d, f, c.Machine
				}
			}
		}
	}
	return best, machine
}

// shareMachine finds the one set of machine parameters that describes all groups
// best with their own parameters following, and puts it in each.
func shareMachine(groups []*group) []datasets.Parameter {
	used := slices.DeleteFunc(slices.Clone(machineParameters), func(p datasets.Parameter) bool {
		return !slices.ContainsFunc(groups, func(g *group) bool { return g.index(p.Name) >= 0 })
	})
	if len(used) == 0 {
		return nil
	}
	const rows = 250
	box, start, width := make([]fit.Range, len(used)), make([]float64, len(used)), make([]float64, len(used))
	for i, p := range used {
		box[i], width[i] = fit.Range{Min: p.Min, Max: p.Max}, priorWidth
		var of []float64
		for _, g := range groups {
			if j := g.index(p.Name); j >= 0 {
				of = append(of, g.values[j])
			}
		}
		start[i] = stats.Median(of)
	}
	set := func(g *group, machine, into []float64) {
		for i, p := range used {
			if j := g.index(p.Name); j >= 0 {
				into[j] = machine[i]
			}
		}
	}
	shared := start
	for range 3 {
		// The stacks' own parameters follow, then the machine moves.
		each(groups, func(g *group) {
			set(g, shared, g.values)
			g.values, _ = g.problem(g.fit, searchRows, g.facts, false).Minimize(g.values, 10)
		})
		n := 0
		for _, g := range groups {
			n += min(rows, len(g.fit))
		}
		p := &fit.Problem{N: n, Box: box, Prior: start, Width: width, Pull: pull, Residuals: func(v, out []float64) {
			at := 0
			var wg sync.WaitGroup
			for _, g := range groups {
				obs := g.fit[:min(rows, len(g.fit))]
				part := out[at : at+len(obs)]
				at += len(obs)
				wg.Go(func() {
					values := slices.Clone(g.values)
					set(g, v, values)
					g.residuals(obs, values, g.facts, part)
				})
			}
			wg.Wait()
		}}
		shared, _ = p.Minimize(shared, 8)
	}
	out := slices.Clone(used)
	for _, g := range groups {
		set(g, shared, g.values)
	}
	for i := range out {
		out[i] = datasets.Parameter{Name: used[i].Name, Unit: used[i].Unit, Value: digits(shared[i]), Determined: true}
	}
	return out
}

func (g *group) index(name string) int {
	return slices.IndexFunc(g.law.Parameters, func(p datasets.Parameter) bool { return p.Name == name })
}

// finish refines the stack's parameters on more rows beside the machine's, and
// reports.
func (g *group) finish() {
	for range 2 {
		g.values, _ = g.problem(g.fit, refineRows, g.facts, false).Minimize(g.values, 25)
	}
	g.hold()
	f := &g.result
	f.Law, f.Variant, f.Facts = g.law.Name, g.variant, map[string]string{}
	for i, fact := range g.law.Facts {
		f.Facts[fact.Name] = fact.Options[g.facts[i]]
	}
	series := make([]string, min(refineRows, len(g.fit)))
	for i := range series {
		series[i] = seriesOf(g.fit[i].key)
	}
	problem := g.problem(g.fit, refineRows, g.facts, false)
	low, high := problem.Intervals(g.values, series)
	for i, q := range g.law.Parameters {
		if isMachine(q.Name) {
			continue
		}
		p := datasets.Parameter{Name: q.Name, Unit: q.Unit, Value: digits(g.values[i]), Low: digits(low[i]), High: digits(high[i]), Held: g.values[i] == g.prior[i]}
		r := problem.Box[i]
		p.Determined = r.Position(p.High)-r.Position(p.Low) < 0.5
		at := r.Position(p.Value)
		p.AtEdge = at < 0.01 || at > 0.99
		f.Parameters = append(f.Parameters, p)
		g.values[i] = p.Value
	}
	f.FitN, f.TestN = len(g.fit), len(g.test)
	fitted := g.ratios(g.fit)
	f.FitMAPE, _ = fitted.ape()
	f.Spreads = spreadsOf(fitted.binds, fitted.of)
	if g.options.All {
		fitted = g.crossValidated()
	} else {
		fitted = g.ratios(g.test)
	}
	f.TestMAPE, f.TestP90 = fitted.ape()
	f.FitMAPE, f.TestMAPE, f.TestP90 = digits(f.FitMAPE), digits(f.TestMAPE), digits(f.TestP90)
}

// hold puts parameters back to where they started where that costs next to
// nothing: one of a path that no row took would else hold an accident of the
// search, and a relative that takes the path would inherit it.
func (g *group) hold() {
	p := g.problem(g.fit, refineRows, g.facts, false)
	p.Width = nil
	least := p.Loss(g.values)
	for i := range g.values {
		trial := slices.Clone(g.values)
		trial[i] = g.prior[i]
		if l := p.Loss(trial); !isMachine(g.law.Parameters[i].Name) && l <= least*1.001 {
			g.values = trial
			least = min(least, l)
		}
	}
}

// ratios are measured over predicted times, with the terms that bind.
type ratios struct {
	binds []string
	of    []float64
}

func (g *group) ratios(obs []observation) ratios {
	r := ratios{make([]string, len(obs)), make([]float64, len(obs))}
	for i, o := range obs {
		p := g.law.predict(g.dev, g.values, g.facts, o.workload)
		r.binds[i], r.of[i] = p.Binds, o.seconds/p.Seconds
	}
	return r
}

// ape is the mean and the 90th percentile of |predicted/measured − 1|.
func (r ratios) ape() (mape, p90 float64) {
	ape := make([]float64, len(r.of))
	for i, v := range r.of {
		ape[i] = math.Abs(1/v - 1)
	}
	return stats.Mean(ape), stats.Quantile(ape, 0.9)
}

// crossValidated fits all rows but a fifth at a time and predicts that fifth.
func (g *group) crossValidated() (out ratios) {
	values := g.values
	defer func() { g.values = values }()
	for fold := range folds {
		var rest, part []observation
		for i, o := range g.all {
			if i%folds == fold {
				part = append(part, o)
			} else {
				rest = append(rest, o)
			}
		}
		g.values, _ = g.problem(rest, refineRows, g.facts, false).Minimize(slices.Clone(g.prior), searchSteps)
		r := g.ratios(part)
		out.binds, out.of = append(out.binds, r.binds...), append(out.of, r.of...)
	}
	return out
}

// seriesOf is a key without its first number: the rows of one sweep (over m,
// tokens, batch or bytes) share it.
func seriesOf(key string) string {
	i := strings.IndexByte(key, '=')
	if i < 0 {
		return key
	}
	j := strings.IndexByte(key[i:], ' ')
	if j < 0 {
		return key[:i]
	}
	return key[:i] + key[i+j:]
}
