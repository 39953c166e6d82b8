package gate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"bench/datasets"
	"bench/datasets/stats"
	"bench/reports/compare"

	// benchmath: the statistics of benchstat, to stand beside.
	"golang.org/x/perf/benchmath"
)

// recording is nights of one machine on which nothing was changed, by workload.
type recording struct {
	keys []string
	// of[workload][night]; a case that the machine could not support is nil
	// where flags are respected.
	of [][]*datasets.Measurement
	// withheld is the share of cases whose verdict is withheld.
	withheld float64
	gates    map[int]*night
}

// readRecording reads the folder's nights in order of their start.
func readRecording(tb testing.TB, dir string, flags bool) recording {
	runs, err := datasets.ReadPaths([]string{dir})
	if err != nil {
		tb.Fatal(err)
	}
	slices.SortFunc(runs, func(a, b *datasets.Run) int { return int(a.Meta.StartUnixS - b.Meta.StartUnixS) })
	r := recording{gates: map[int]*night{}}
	at := map[string]int{}
	cases, withheld := 0, 0
	for n, run := range runs {
		for i := range run.Rows {
			row := &run.Rows[i]
			k := row.Workload.Key()
			w, ok := at[k]
			if !ok {
				w = len(r.keys)
				at[k] = w
				r.keys = append(r.keys, k)
				r.of = append(r.of, make([]*datasets.Measurement, len(runs)))
			}
			cases++
			if len(compare.Withheld(&row.Measurement)) > 0 {
				withheld++
				if flags {
					continue
				}
			}
			r.of[w][n] = &row.Measurement
		}
	}
	r.withheld = float64(withheld) / float64(cases)
	return r
}

// shuffled puts the nights in another order, so that few nights make many
// histories. What follows from one night to the next is lost.
func (r *recording) shuffled(random *rand.Rand) recording {
	order := random.Perm(len(r.of[0]))
	out := recording{keys: r.keys, withheld: r.withheld, gates: map[int]*night{}}
	for _, nights := range r.of {
		s := make([]*datasets.Measurement, len(nights))
		for i, j := range order {
			s[i] = nights[j]
		}
		out.of = append(out.of, s)
	}
	return out
}

// detector says of every workload whether the last of its nights is slower.
// slow is by how much the last `since` nights of workload `of` are to be slowed
// down beforehand; of is −1 for none.
type detector struct {
	name string
	find func(r *recording, upTo, of, since int, slow float64) []bool
}

// scaled is a measurement of which every sample takes slow times as long.
func scaled(m *datasets.Measurement, slow float64) *datasets.Measurement {
	if m == nil || slow == 1 {
		return m
	}
	c := *m
	c.TimeS, c.LowS, c.HighS = m.TimeS*slow, m.LowS*slow, m.HighS*slow
	c.SamplesS = make([]float64, len(m.SamplesS))
	for i, v := range m.SamplesS {
		c.SamplesS[i] = v * slow
	}
	return &c
}

// at is the measurement of a night as the detector is to see it.
func (r *recording) at(w, night, upTo, of, since int, slow float64) *datasets.Measurement {
	if w == of && night > upTo-since {
		return scaled(r.of[w][night], slow)
	}
	return r.of[w][night]
}

// night is what the gate knows before it looks at a workload that is slowed
// down: every workload's change as recorded.
type night struct {
	guard   Guard
	changes []Change
	ok      []bool
}

// gateAt prepares the gate for a night.
func gateAt(r *recording, upTo int) *night {
	o := Defaults
	g := &night{changes: make([]Change, len(r.keys)), ok: make([]bool, len(r.keys))}
	worst := make([]Guard, upTo)
	for n := range worst {
		worst[n] = NoGuard
	}
	for w := range r.keys {
		var past []Night
		var of []int
		for n := range upTo {
			if m := r.of[w][n]; m != nil {
				past, of = append(past, nightOf(m)), append(of, n)
			}
		}
		for s, k := range splits {
			for i, p := range pastPs(past, k) {
				worst[of[i]][s] = min(worst[of[i]][s], p)
			}
		}
	}
	var least [len(splits)][]float64
	for _, g := range worst {
		for s, p := range g {
			least[s] = append(least[s], p)
		}
	}
	g.guard = NewGuard(least, o.Alpha)
	for w := range r.keys {
		g.changes[w], g.ok[w] = r.change(w, upTo, -1, 0, 1, g.guard)
	}
	return g
}

// change is what Detect says of one workload.
func (r *recording) change(w, upTo, of, since int, slow float64, guard Guard) (Change, bool) {
	if r.of[w][upTo] == nil {
		return Change{}, false
	}
	var series []Night
	for n := 0; n <= upTo; n++ {
		if m := r.at(w, n, upTo, of, since, slow); m != nil {
			series = append(series, nightOf(m))
		}
	}
	return Detect(series, Defaults.Alpha/float64(len(r.keys)), guard)
}

// failures is which workloads fail.
func (g *night) failures(changes []Change) []bool {
	o := Defaults
	found := make([]bool, len(changes))
	var ps []float64
	var which []int
	for w := range changes {
		if g.ok[w] {
			ps, which = append(ps, changes[w].P), append(which, w)
		}
	}
	for i, p := range stats.Holm(ps) {
		f := Finding{change: changes[which[i]], MeasuredS: 1}
		f.judgeChange(p, &o)
		found[which[i]] = f.Outcome == Fail
	}
	return found
}

var detectors = []detector{
	{"bench gate", func(r *recording, upTo, of, since int, slow float64) []bool {
		g := r.gates[upTo]
		if g == nil {
			g = gateAt(r, upTo)
			r.gates[upTo] = g
		}
		changes := slices.Clone(g.changes)
		if of >= 0 {
			changes[of], _ = r.change(of, upTo, of, since, slow, g.guard)
		}
		return g.failures(changes)
	}},
	{"5 % over the median of the nights", func(r *recording, upTo, of, since int, slow float64) []bool {
		found := make([]bool, len(r.keys))
		for w := range r.keys {
			if of >= 0 && w != of {
				continue
			}
			var past []float64
			for n := 0; n < upTo; n++ {
				if m := r.at(w, n, upTo, of, since, slow); m != nil {
					past = append(past, m.TimeS)
				}
			}
			if m := r.at(w, upTo, upTo, of, since, slow); m != nil && len(past) > 0 {
				found[w] = m.TimeS > 1.05*stats.Median(past)
			}
		}
		return found
	}},
	// benchstat old new: the last night's samples against this one's by the U
	// test at 5 %, slower where it is significant.
	{"benchstat, night against night", func(r *recording, upTo, of, since int, slow float64) []bool {
		found := make([]bool, len(r.keys))
		for w := range r.keys {
			if of >= 0 && w != of {
				continue
			}
			old := r.at(w, upTo-1, upTo, of, since, slow)
			now := r.at(w, upTo, upTo, of, since, slow)
			if old == nil || now == nil {
				continue
			}
			a := benchmath.NewSample(slices.Clone(old.SamplesS), &benchmath.DefaultThresholds)
			b := benchmath.NewSample(slices.Clone(now.SamplesS), &benchmath.DefaultThresholds)
			c := benchmath.AssumeNothing.Compare(a, b)
			found[w] = c.P < c.Alpha && stats.Median(now.SamplesS) > stats.Median(old.SamplesS)
		}
		return found
	}},
}

// figures of a detector on a recording.
type figures struct {
	nights, falseNights int
	trials, three, at10 int
	quietTrials, quiet  int
	quietTenHits        int
}

// quietScale is the scatter between nights up to which a workload counts as
// quiet.
const quietScale = 0.015

// study plays nights on a recording: history nights, and then each further
// night as tonight. For each detector: on how many nights anything is called
// slower though nothing changed; and of each workload slowed down by 5 % (10 %)
// whether it is called within three nights (at once).
func study(r *recording, history int, f []figures) {
	last := len(r.of[0]) - 1
	for upTo := history; upTo <= last; upTo++ {
		for d := range detectors {
			f[d].nights++
			if slices.Contains(detectors[d].find(r, upTo, -1, 0, 1), true) {
				f[d].falseNights++
			}
		}
	}
	for upTo := history; upTo+2 <= last; upTo++ {
		for w := range r.keys {
			var logs []float64
			for n := 0; n < upTo; n++ {
				if m := r.of[w][n]; m != nil {
					logs = append(logs, math.Log(m.TimeS))
				}
			}
			quiet := len(logs) > LeastNights && compare.MeanLogTime(logs).SE*math.Sqrt(float64(len(logs))) <= quietScale
			for d := range detectors {
				hit := false
				for k := 1; k <= 3 && !hit; k++ {
					hit = detectors[d].find(r, upTo+k-1, w, k, 1.05)[w]
				}
				ten := detectors[d].find(r, upTo, w, 1, 1.10)[w]
				g := &f[d]
				g.trials++
				g.three += one(hit)
				g.at10 += one(ten)
				if quiet {
					g.quietTrials++
					g.quiet += one(hit)
					g.quietTenHits += one(ten)
				}
			}
		}
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (f *figures) line(name string) string {
	share := func(a, b int) string {
		if b == 0 {
			return "-"
		}
		return fmt.Sprintf("%.1f %%", 100*float64(a)/float64(b))
	}
	return fmt.Sprintf("%-34s %4d nights: false alarm on %7s; 5 %% within three nights %7s, 10 %% at once %7s of %d; quiet workloads: %s, %s of %d",
		name, f.nights, share(f.falseNights, f.nights), share(f.three, f.trials), share(f.at10, f.trials), f.trials,
		share(f.quiet, f.quietTrials), share(f.quietTenHits, f.quietTrials), f.quietTrials)
}

// BenchmarkGateOnRecordedNoise plays nights on recordings of this machine
// (testdata/README.md) on which nothing was changed: make gate-study.
func BenchmarkGateOnRecordedNoise(b *testing.B) {
	dir := "testdata/nights"
	if d := os.Getenv("BENCH_NIGHTS"); d != "" {
		dir = d
	}
	const history, orders = 20, 5
	for _, flags := range []bool{true, false} {
		name := "flagged cases withheld"
		if !flags {
			name = "flags ignored"
		}
		b.Run(strings.ReplaceAll(name, " ", "_"), func(b *testing.B) {
			r := readRecording(b, dir, flags)
			for b.Loop() {
				if len(r.of[0]) <= history+2 {
					b.Skipf("%d nights are too few", len(r.of[0]))
				}
				b.Logf("%d nights of %d workloads, %.0f %% of cases flagged; %s", len(r.of[0]), len(r.keys), r.withheld*100, name)
				random := rand.New(rand.NewPCG(1, 1))
				inOrder, anyOrder := make([]figures, len(detectors)), make([]figures, len(detectors))
				study(&r, history, inOrder)
				for range orders {
					s := r.shuffled(random)
					study(&s, history, anyOrder)
				}
				for d := range detectors {
					b.Log("in order:  " + inOrder[d].line(detectors[d].name))
				}
				for d := range detectors {
					b.Log("shuffled:  " + anyOrder[d].line(detectors[d].name))
				}
				g := anyOrder[0]
				b.ReportMetric(100*float64(g.falseNights)/float64(g.nights), "%false-nights")
				b.ReportMetric(100*float64(g.three)/float64(g.trials), "%found-5%-in-3")
				b.ReportMetric(100*float64(g.at10)/float64(g.trials), "%found-10%-at-once")
			}
		})
	}
}

// BenchmarkGateOnSimulatedNoise says at what scatter between nights the goals
// can be reached: independent normal nights of 35 workloads, which no machine
// has, and no hardware's figures.
func BenchmarkGateOnSimulatedNoise(b *testing.B) {
	const history, workloads, worlds, slowed = 20, 35, 500, 20
	for _, scale := range []float64{0.005, 0.010, 0.0125, 0.015, 0.020, 0.030} {
		b.Run(fmt.Sprintf("scatter_%.2f%%", scale*100), func(b *testing.B) {
			for b.Loop() {
				random := rand.New(rand.NewPCG(2, 2))
				f := make([]figures, len(detectors))
				for world := range worlds {
					r := recording{gates: map[int]*night{}}
					for w := range workloads {
						r.keys = append(r.keys, fmt.Sprint(w))
						nights := make([]*datasets.Measurement, history+3)
						for n := range nights {
							nights[n] = &datasets.Measurement{TimeS: math.Exp(scale * random.NormFloat64())}
						}
						r.of = append(r.of, nights)
					}
					// Alarms are rare, and want more nights than slowdowns do.
					if world < slowed {
						study(&r, history, f)
						continue
					}
					f[0].nights++
					if slices.Contains(detectors[0].find(&r, history, -1, 0, 1), true) {
						f[0].falseNights++
					}
				}
				b.Log(f[0].line(detectors[0].name))
				b.ReportMetric(100*float64(f[0].falseNights)/float64(f[0].nights), "%false-nights")
				b.ReportMetric(100*float64(f[0].three)/float64(f[0].trials), "%found-5%-in-3")
				b.ReportMetric(100*float64(f[0].at10)/float64(f[0].trials), "%found-10%-at-once")
			}
		})
	}
}
