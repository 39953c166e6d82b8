package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"bench/datasets"
	"bench/reports/verdict"

	"github.com/jedib0t/go-pretty/v6/text"
)

// Limits of a brief. It shows briefSuites suites, or fewer where it would have more
// than briefLines lines.
const briefLines, briefSuites, briefWorst, briefVerdicts, briefNotes = 45, 12, 5, 3, 2

// briefBest is the room, in columns, below which the best figure's shape is left out.
const briefBest = 24

// Brief writes the answer for a terminal in at most 45 lines: what was measured, the
// verdict, a line a suite, the rows furthest from their predictions, what disturbed
// them, and what to do next with the files.
func Brief(w io.Writer, r *Report, o TextOptions) error {
	suites := r.tallies()
	var out bytes.Buffer
	for shown := briefSuites; ; shown-- {
		out.Reset()
		b := brief{Page: NewTextPage(&out, o.Width), r: r, suites: suites}
		b.head()
		b.verdicts()
		b.table(shown)
		b.furthest()
		b.disturbances()
		b.next(o.Files)
		if bytes.Count(out.Bytes(), []byte("\n")) <= briefLines || shown == 1 {
			_, err := w.Write(out.Bytes())
			return err
		}
	}
}

type brief struct {
	*Page
	r      *Report
	suites []*suiteTally
	// worst is the key to explain, of a row far from its prediction.
	worst string
}

// cut writes one line that fits.
func (b *brief) cut(s string) { b.Line(text.Snip(Clean(s), b.width, "…")) }

func (b *brief) head() {
	if a := b.r.Aggregate; a != nil {
		b.Line(a.says())
	}
	var devices, profiles, hosts, versions []string
	once := func(list *[]string, s string) {
		if s != "" && !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	for _, s := range b.suites {
		once(&devices, b.where(s))
	}
	var first, last int64
	for _, run := range b.r.Runs {
		once(&profiles, run.Meta.Profile)
		once(&hosts, run.Meta.Host)
		once(&versions, run.Meta.Bench)
		if at := run.Meta.StartUnixS; at > 0 && (first == 0 || at < first) {
			first = at
		}
		last = max(last, run.Meta.StartUnixS)
	}
	few := func(list []string, thing string) string {
		if len(list) > 3 {
			return Plural(len(list), thing)
		}
		return strings.Join(list, ", ")
	}
	line := []string{few(devices, "device")}
	if len(b.suites) > 0 && b.suites[0].tool != "" && !b.differ(func(s *suiteTally) string { return s.tool }) {
		line = append(line, "imported from "+b.suites[0].tool)
	}
	if len(profiles) > 0 {
		line = append(line, few(profiles, "profile")+" profile")
	}
	if first > 0 {
		when := time.Unix(first, 0).UTC().Format("2006-01-02 15:04 UTC")
		if last > first {
			when = time.Unix(first, 0).UTC().Format("2006-01-02") + " to " + time.Unix(last, 0).UTC().Format("2006-01-02")
		}
		line = append(line, when)
	}
	if len(b.r.Runs) > 1 {
		line = append(line, Plural(len(b.r.Runs), "run"))
	}
	b.cut(strings.Join(line, " · "))
	if len(hosts) > 0 {
		b.cut("on " + few(hosts, "host") + " · " + few(versions, "version"))
	}
	if slices.ContainsFunc(b.suites, func(s *suiteTally) bool { return s.source == datasets.SourceSimulated }) {
		b.Line("SIMULATED rows say nothing about hardware")
	}
	for i, a := range b.r.Again {
		if i < briefNotes {
			b.cut("note: " + a)
		}
	}
}

// where names the device, and what made the rows where that differs.
func (b *brief) where(s *suiteTally) string {
	switch {
	case s.source == datasets.SourceSimulated:
		return s.device + " (simulated)"
	case s.tool != "" && b.differ(func(s *suiteTally) string { return s.tool }):
		return s.device + " (" + s.tool + ")"
	}
	return s.device
}

// differ reports whether the sections differ in something.
func (b *brief) differ(in func(*suiteTally) string) bool {
	return slices.ContainsFunc(b.suites, func(s *suiteTally) bool { return in(s) != in(b.suites[0]) })
}

func (b *brief) several() bool { return b.differ(b.where) }

// Answers are the verdicts of the suites, a line for each word, the worst first: the
// same in the terminal, on the page and in Markdown.
func (r *Report) Answers() []string {
	b := brief{Page: NewTextPage(io.Discard, 0), r: r, suites: r.tallies()}
	return b.answers(math.MaxInt)
}

// answers are at most so many lines; the last then tells of what is left.
func (b *brief) answers(most int) []string {
	type judged struct{ suite, where, why string }
	by := map[verdict.Word][]judged{}
	for _, s := range b.suites {
		word, why := s.verdict()
		where := ""
		if b.several() || s.source == datasets.SourceSimulated {
			where = b.where(s)
		}
		by[word] = append(by[word], judged{string(s.suite), where, why})
	}
	var lines []string
	for _, word := range []verdict.Word{verdict.Broken, verdict.Slow, verdict.CantSay, verdict.AsExpected} {
		if len(by[word]) == 0 {
			continue
		}
		said := strings.ToUpper(string(word)) + ": "
		for i, j := range by[word] {
			// What the next one shares is said once, after it.
			next := judged{"", "\x00", "\x00"}
			if i+1 < len(by[word]) {
				next = by[word][i+1]
			}
			said += j.suite
			if j.where != "" && (j.where != next.where || j.why != next.why) {
				said += " on " + j.where
			}
			if j.why != "" && (j.where != next.where || j.why != next.why) {
				said += " (" + j.why + ")"
			}
			if i+1 < len(by[word]) {
				said += ", "
			}
		}
		if len(lines) == most {
			lines[most-1] = text.Snip(lines[most-1], b.width/2, "…") + "; " + said
			break
		}
		lines = append(lines, said)
	}
	if len(lines) == 0 {
		lines = append(lines, "CAN'T SAY: the input holds no rows")
	}
	return lines
}

func (b *brief) verdicts() {
	b.space()
	for _, l := range b.answers(briefVerdicts) {
		b.cut(l)
	}
	if f := b.r.Fleet; f != nil {
		b.cut("Fleet: " + f.headline())
		odd := f.outliers()
		for i, o := range odd {
			if i == briefNotes {
				b.cut(fmt.Sprintf("  … %s more (--fleet)", Count(len(odd)-i)))
				break
			}
			b.cut("  " + o)
		}
	}
}

func (b *brief) table(most int) {
	b.space()
	several := b.several()
	head := []string{"suite", "best measured", "of peak", "in range", "|error|", "undisturbed"}
	shown := b.suites[:min(len(b.suites), most)]
	var rows [][]string
	longest := 0
	for _, s := range shown {
		name := string(s.suite)
		if several {
			name += " " + b.where(s)
		}
		longest = max(longest, min(text.StringWidth(name), minFirst))
		row := []string{name, cmp.Or(s.best, "–"), "–", "–", "–", "all"}
		if s.disturbed > 0 {
			row[5] = fmt.Sprintf("%s/%s", Count(s.rows-s.disturbed), Count(s.rows))
		}
		if s.peak > 0 {
			row[2] = wholePercent(s.peak)
		}
		if s.ranged > 0 {
			row[3] = fmt.Sprintf("%s/%s", Count(s.within), Count(s.ranged))
		}
		if n, _, median, _, _ := s.errors.figures(); n > 0 {
			row[4] = wholePercent(median)
		}
		rows = append(rows, row)
	}
	room := b.width - longest
	for c := 2; c < len(head); c++ {
		widest := len(head[c])
		for _, row := range rows {
			widest = max(widest, text.StringWidth(row[c]))
		}
		room -= widest + len(gap)
	}
	for _, row := range rows {
		if room < briefBest {
			row[1], _, _ = strings.Cut(row[1], "  ")
		}
		row[1] = text.Snip(row[1], room-len(gap), "…")
	}
	b.Table(head, rows, 3, 4, 5, 6)
	if more := len(b.suites) - len(shown); more > 0 {
		b.Line(fmt.Sprintf("… %s more (--rows all)", Count(more)))
	}
	b.cut("in range: within the 90 % range expected of sound hardware; |error|: median")
}

// furthest lists rows by the ratio of measured to predicted. Lower bounds, which
// small shapes miss by far, come after predictions.
func (b *brief) furthest() {
	type row struct {
		j     *Joined
		tier  int
		ratio float64
		bound bool
	}
	var all []row
	for i := range b.r.Rows {
		j := &b.r.Rows[i]
		t := b.r.tierOf(j)
		if t < 0 {
			continue
		}
		all = append(all, row{j, t, j.Row.Measurement.TimeS / j.Predictions[t].Seconds, b.r.Tiers[t] == datasets.TierDatasheet})
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y row) int {
		if x.bound != y.bound {
			return cmp.Compare(btoi(x.bound), btoi(y.bound))
		}
		return cmp.Compare(math.Abs(math.Log(y.ratio)), math.Abs(math.Log(x.ratio)))
	})
	all = all[:min(len(all), briefWorst)]
	b.space()
	var rows [][]string
	devices := b.differ(func(s *suiteTally) string { return s.device })
	for _, x := range all {
		m, p := &x.j.Row.Measurement, &x.j.Predictions[x.tier]
		name := Label(x.j.Row.Workload)
		if suite := string(x.j.Row.Workload.Suite()); !strings.Contains(name, suite) {
			name = suite + " " + name
		}
		if m.Source == datasets.SourceSimulated {
			name = "simulated " + name
		}
		if devices {
			name = x.j.Row.DeviceID + " " + name
		}
		if len(m.Flags) > 0 {
			name = "~ " + name
		}
		if len(x.j.Key) <= b.width-len("    --explain ''") && b.worst == "" {
			b.worst = x.j.Key
		}
		rows = append(rows, []string{name, Seconds(m.TimeS), Seconds(p.Seconds), threeDigits(x.ratio) + "×", text.Snip(b.reason(x.j, x.tier), b.width*3/10, "…")})
	}
	b.Table([]string{"furthest from", "measured", "predicted", "ratio", "why"}, rows, 2, 3, 4)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// reason says in a few words what is behind a row's error.
func (b *brief) reason(j *Joined, tier int) string {
	p := &j.Predictions[tier]
	binds := words(p.Binds) + " binds"
	if b.r.Tiers[tier] == datasets.TierDatasheet {
		binds = words(p.Binds) + ", a bound only"
	}
	word, faster, e, _ := b.r.judge(j, nil)
	switch {
	case word == verdict.Slow:
		return "slow; " + binds
	case word == verdict.CantSay && e.HighS > 0:
		return "can't say; " + binds
	case faster:
		return "faster; " + binds
	}
	return binds
}

// advice is what to try against a flag.
var advice = map[string]string{
	datasets.FlagShared:    "stop other programs, or measure on a machine of your own",
	datasets.FlagDrift:     "wait until the machine is quiet and warm, then run again",
	datasets.FlagThrottled: "lock the clock (--lock-clocks), or see to cooling and power",
	datasets.FlagUnsteady:  "give it longer: --profile standard, or --time",
	datasets.FlagWarmup:    "give it longer: --profile standard, or --time",
}

// flagWords say what a flag means, with the worst reading where there is one.
func flagWords(flag string, rows []*Joined) string {
	highest := func(of func(m *datasets.Measurement) float64) (v float64) {
		for _, j := range rows {
			v = max(v, of(&j.Row.Measurement))
		}
		return v
	}
	said := func(v float64, format string) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	switch flag {
	case datasets.FlagShared:
		return "shared" + said(100*highest(func(m *datasets.Measurement) float64 { return m.Conditions.OtherCPURatio + m.Conditions.StealRatio }), " (others used up to %.0f %% of the CPU)")
	case datasets.FlagDrift:
		return "drift" + said(highest(func(m *datasets.Measurement) float64 { return m.Conditions.SentinelRatio }), " (the sentinel took up to %.2f × its time)")
	case datasets.FlagUnsteady:
		wide := highest(func(m *datasets.Measurement) float64 { return (m.HighS - m.LowS) / 2 / m.TimeS })
		if wide >= 1 {
			return "unsteady (some intervals are wider than the time itself)"
		}
		return "unsteady (intervals up to ±" + Percent(wide) + ")"
	}
	return words(flag)
}

func (b *brief) disturbances() {
	by := map[string][]*Joined{}
	disturbed, rows := 0, 0
	for i := range b.r.Rows {
		for _, f := range b.r.Rows[i].Row.Measurement.Flags {
			by[f] = append(by[f], &b.r.Rows[i])
		}
	}
	for _, s := range b.suites {
		disturbed, rows = disturbed+s.disturbed, rows+s.rows
	}
	if disturbed == 0 {
		return
	}
	b.space()
	flags := sortedKeys(by)
	slices.SortStableFunc(flags, func(x, y string) int { return len(by[y]) - len(by[x]) })
	b.cut(fmt.Sprintf("~ disturbed: %s of %s rows", Count(disturbed), Count(rows)))
	var try []string
	for i, f := range flags {
		if i < 3 {
			b.cut(fmt.Sprintf("  %s: %s", Plural(len(by[f]), "row"), flagWords(f, by[f])))
		}
		if a := advice[f]; a != "" && !slices.Contains(try, a) {
			try = append(try, a)
		}
	}
	if len(b.r.Runs) == 1 {
		for i, n := range b.r.Runs[0].Meta.Notes {
			if i < briefNotes {
				b.cut("  note: " + n)
			}
		}
	}
	for i, t := range try {
		if i < 2 {
			b.cut("  try: " + t)
		}
	}
}

// next says where the rows are and the commands that show more.
func (b *brief) next(files []string) {
	if len(files) == 0 {
		return
	}
	b.space()
	quoted := make([]string, len(files))
	for i, f := range files {
		quoted[i] = f
		if strings.ContainsFunc(f, func(c rune) bool {
			return !strings.ContainsRune("/._-=+,:@%", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(f, "'", `'\''`) + "'"
		}
	}
	name := strings.Join(quoted, " ")
	if len(files) > 3 {
		name = "PATH…"
	}
	where := Plural(b.count(), "case") + map[bool]string{true: " is in ", false: " are in "}[b.count() == 1]
	if len(name) > b.width*5/8 {
		b.Line(where + "FILE, which is " + name)
		name, quoted[0] = "FILE", "FILE"
	} else {
		b.Line(where + name)
	}
	for _, next := range [][2]string{
		{"bench report " + name, "--rows all"},
		{"bench report " + name, "--explain '" + cmp.Or(b.worst, "KEY") + "'"},
		{"bench report " + name, "-o report.html"},
		{"bench compare BASE", quoted[0]},
	} {
		if line := next[0] + " " + next[1]; text.StringWidth(line) <= b.width-4 {
			b.List([]string{line})
			continue
		}
		b.List([]string{next[0] + " \\", "  " + next[1]})
	}
}

func (b *brief) count() (n int) {
	for _, s := range b.suites {
		n += s.rows + s.failed + s.skipped
	}
	return n
}
