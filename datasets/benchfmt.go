package datasets

import (
	"bufio"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// benchfmtExporter writes the Go benchmark format (go.dev/design/14313-
// benchmark-format), a line a sample, so that `benchstat old new` compares two
// runs. Only what compared runs share is a configuration line: benchstat makes
// a table for each configuration, so the run and the host are comments.
type benchfmtExporter struct {
	out            *bufio.Writer
	run            string
	device, source string
	r              record
}

func newBenchfmt(w io.Writer) Exporter { return &benchfmtExporter{out: bufio.NewWriterSize(w, 1<<16)} }

// rates are the suites' own figures, by column and unit, of which more is
// better; each belongs to one number of seconds an operation.
var rates = []struct{ column, unit string }{
	{"flop_per_s", "FLOP/s"}, {"bandwidth_bytes_per_s", "B/s"}, {"bus_bandwidth_bytes_per_s", "bus-B/s"}, {"tokens_per_s", "tokens/s"},
}

func (e *benchfmtExporter) Export(meta *Meta, rows []Row) error {
	if e.run == "" {
		for _, r := range rates {
			e.out.WriteString("Unit " + r.unit + " better=higher\n")
		}
	}
	if run := "# run " + oneLine(meta.ID) + " on " + oneLine(meta.Host) + ", " + oneLine(meta.Bench); run != e.run {
		e.run = run
		e.out.WriteString(run + "\n")
	}
	for i := range rows {
		m := &rows[i].Measurement
		if !m.Usable() {
			continue
		}
		if err := e.r.flatten(&rows[i], meta.ID); err != nil {
			return err
		}
		if d := oneLine(rows[i].DeviceID); d != e.device {
			e.device = d
			e.out.WriteString("device: " + d + "\n")
		}
		if s := oneLine(strings.TrimSpace(string(m.Source) + " " + m.Origin.Tool)); s != e.source {
			e.source = s
			e.out.WriteString("source: " + s + "\n")
		}
		name := benchmarkName(rows[i].Workload)
		if len(m.Flags) > 0 {
			e.out.WriteString("# flagged " + oneLine(strings.Join(m.Flags, ", ")) + ":\n")
		}
		samples := m.SamplesS
		if len(samples) == 0 {
			samples = []float64{m.TimeS}
		}
		for _, s := range samples {
			if err := e.line(name, max(m.BatchIterations, 1), s, m.TimeS); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *benchfmtExporter) line(name string, iterations int64, seconds, median float64) error {
	b := e.out
	b.WriteString(name + " " + strconv.FormatInt(iterations, 10) + " " + strconv.FormatFloat(seconds, 'g', -1, 64) + " sec/op")
	for _, r := range rates {
		// The columns hold the rate of the median.
		if v := *fields[fieldIndex[r.column]].float(&e.r) * (median / seconds); v > 0 && seconds > 0 {
			b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64) + " " + r.unit)
		}
	}
	return b.WriteByte('\n')
}

func (e *benchfmtExporter) Close() error { return e.out.Flush() }

// benchmarkName is the workload's key in the form of a Go benchmark's name:
// "hbm/triad fp64 bytes=64" becomes "BenchmarkHbm/op=triad/dtype=fp64/bytes=64".
// A character that would end a part is escaped as in a URL.
func benchmarkName(w Workload) string {
	suite := string(w.Suite())
	key := strings.TrimPrefix(w.Key(), suite+"/"+w.Op())
	b := strings.Builder{}
	b.WriteString("Benchmark" + strings.ToUpper(suite[:1]) + suite[1:] + "/op=" + url.PathEscape(w.Op()))
	if d := string(w.DType()); d != "" {
		key = strings.TrimPrefix(key, " "+d)
		b.WriteString("/dtype=" + url.PathEscape(d))
	}
	for part := range keyParts(key) {
		b.WriteString("/" + strings.ReplaceAll(url.PathEscape(part), "%3D", "="))
	}
	return b.String()
}

// keyParts splits a key at its spaces, but not at those within quotes.
func keyParts(key string) func(func(string) bool) {
	return func(yield func(string) bool) {
		quoted, start := false, 0
		for i := 0; i <= len(key); i++ {
			switch {
			case i < len(key) && key[i] == '\\' && quoted:
				i++
			case i < len(key) && key[i] == '"':
				quoted = !quoted
			case i == len(key) || key[i] == ' ' && !quoted:
				if i > start && !yield(key[start:i]) {
					return
				}
				start = i + 1
			}
		}
	}
}

// oneLine makes text fit a line of a text format.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}
