package datasets

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// metric is one family of the OpenMetrics form: a gauge in base units, whose
// name ends in its unit (Prometheus, "Metric and label naming").
type metric struct {
	name, unit, help string
	// value is the row's, or not a number where the row has none. Where tier
	// is set it is asked for each tier.
	value func(r *record) float64
	tier  func(p *flatPrediction) float64
}

// column makes the value of a column a metric's; a null is none.
func (m metric) column(name string) metric {
	f := &fields[fieldIndex[name]]
	m.value = func(r *record) float64 {
		if f.null(r) {
			return math.NaN()
		}
		if f.integer != nil {
			return float64(*f.integer(r))
		}
		return *f.float(r)
	}
	return m
}

// usable is the value of a column, of rows whose time may be used.
func (m metric) usable(name string) metric {
	m = m.column(name)
	get := m.value
	m.value = func(r *record) float64 {
		if !r.row.Measurement.Usable() {
			return math.NaN()
		}
		return get(r)
	}
	return m
}

func metrics() []metric {
	return []metric{
		metric{name: "bench_time_seconds", unit: "seconds", help: "Median time of one operation."}.usable("time_median_s"),
		metric{name: "bench_time_low_seconds", unit: "seconds", help: "Lower end of the confidence interval of the median time."}.usable("time_low_s"),
		metric{name: "bench_time_high_seconds", unit: "seconds", help: "Upper end of the confidence interval of the median time."}.usable("time_high_s"),
		metric{name: "bench_arithmetic_flops_per_second", unit: "flops_per_second", help: "Useful floating-point or integer operations a second."}.column("flop_per_s"),
		metric{name: "bench_bandwidth_bytes_per_second", unit: "bytes_per_second", help: "Least memory traffic over the median time."}.column("bandwidth_bytes_per_s"),
		metric{name: "bench_algorithm_bandwidth_bytes_per_second", unit: "bytes_per_second", help: "Collective: message size over time, as nccl-tests defines it."}.column("algorithm_bandwidth_bytes_per_s"),
		metric{name: "bench_bus_bandwidth_bytes_per_second", unit: "bytes_per_second", help: "Collective: bus bandwidth, as nccl-tests defines it."}.column("bus_bandwidth_bytes_per_s"),
		metric{name: "bench_throughput_tokens_per_second", unit: "tokens_per_second", help: "Tokens a second of a decode, prefill or mixture-of-experts case."}.column("tokens_per_s"),
		{name: "bench_predicted_seconds", unit: "seconds", help: "Predicted time of one operation, by tier.",
			tier: func(p *flatPrediction) float64 { return p.seconds }},
		{name: "bench_prediction_error_ratio", unit: "ratio", help: "Predicted over measured time, minus one, by tier.",
			tier: func(p *flatPrediction) float64 { return p.err }},
		{name: "bench_case_usable", help: "1 if the case was measured and its answer right, 0 if it failed or was skipped; the label verdict says which.",
			value: func(r *record) float64 {
				if r.row.Measurement.Usable() {
					return 1
				}
				return 0
			}},
		metric{name: "bench_sentinel_ratio", unit: "ratio", help: "Time of the fixed sentinel beside this case over its time when the run began."}.column("sentinel_ratio"),
		metric{name: "bench_clock_hertz", unit: "hertz", help: "Clock of the cores or SMs while the case ran."}.column("clock_hz"),
		metric{name: "bench_power_watts", unit: "watts", help: "Power while the case ran."}.column("power_watt"),
		metric{name: "bench_temperature_celsius", unit: "celsius", help: "Temperature while the case ran."}.column("temperature_celsius"),
		metric{name: "bench_case_start_timestamp_seconds", unit: "seconds", help: "When the case began, in seconds since 1970."}.nanoseconds("start_unix_ns"),
	}
}

// nanoseconds is a column of nanoseconds as seconds.
func (m metric) nanoseconds(name string) metric {
	m = m.column(name)
	get := m.value
	m.value = func(r *record) float64 { return get(r) / 1e9 }
	return m
}

const runMetric = "bench_run_end_timestamp_seconds"

// MetricNames are those of the families that the OpenMetrics form can hold.
func MetricNames() []string {
	names := []string{runMetric}
	for _, m := range metrics() {
		names = append(names, m.name)
	}
	return names
}

// openMetrics writes OpenMetrics text for the textfile collector of Prometheus'
// node_exporter: a sample for each case, labelled by what it was and where.
// Of a case that several runs hold, the newest run's counts. The collector
// takes no sample with a time of its own, so none has one.
type openMetrics struct {
	out      *bufio.Writer
	families []metric
	// cases holds each case's samples by its labels.
	cases map[string]*metricCase
	runs  map[string]*Meta // the newest of each host
	r     record
}

type metricCase struct {
	startUnixS int64
	verdict    string
	values     []float64 // a value a family; of one by tier a value a tier
}

func newOpenMetrics(w io.Writer) Exporter {
	return &openMetrics{out: bufio.NewWriterSize(w, 1<<16), families: metrics(), cases: map[string]*metricCase{}, runs: map[string]*Meta{}}
}

func (e *openMetrics) Export(meta *Meta, rows []Row) error {
	if last := e.runs[meta.Host]; last == nil || last.StartUnixS <= meta.StartUnixS {
		copied := *meta
		e.runs[meta.Host] = &copied
	}
	for i := range rows {
		if err := e.r.flatten(&rows[i], meta.ID); err != nil {
			return err
		}
		m := &rows[i].Measurement
		labels := labelSet("host", meta.Host, "device", rows[i].DeviceID, "uuid", rows[i].DeviceUUID, "suite", e.r.suite, "op", e.r.texts[0], "dtype", e.r.texts[1], "key", e.r.key,
			"source", string(m.Source), "tool", m.Origin.Tool, "stack", m.Stack.Name())
		c := e.cases[labels]
		if c == nil {
			c = &metricCase{}
			e.cases[labels] = c
		} else if c.startUnixS > meta.StartUnixS {
			continue
		}
		c.startUnixS, c.verdict, c.values = meta.StartUnixS, string(m.Verdict), c.values[:0]
		for f := range e.families {
			if get := e.families[f].value; get != nil {
				c.values = append(c.values, get(&e.r))
				continue
			}
			for t := range Tiers {
				v := math.NaN()
				if p := &e.r.tiers[t]; p.predicted && m.Usable() {
					v = e.families[f].tier(p)
				}
				c.values = append(c.values, v)
			}
		}
	}
	return nil
}

func (e *openMetrics) Close() error {
	keys := make([]string, 0, len(e.cases))
	for k := range e.cases {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	e.head(metric{name: runMetric, unit: "seconds", help: "When the newest run of a host ended, in seconds since 1970."})
	hosts := make([]string, 0, len(e.runs))
	for h := range e.runs {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	for _, h := range hosts {
		m := e.runs[h]
		e.sample(runMetric, labelSet("host", h, "run", m.ID, "bench", m.Bench, "profile", m.Profile), float64(m.EndUnixS))
	}
	at := 0
	for _, f := range e.families {
		n := 1
		if f.tier != nil {
			n = len(Tiers)
		}
		begun := false
		for _, k := range keys {
			c := e.cases[k]
			for t := range n {
				v := c.values[at+t]
				if math.IsNaN(v) || math.IsInf(v, 0) {
					continue
				}
				if !begun {
					e.head(f)
					begun = true
				}
				labels := k
				if f.tier != nil {
					labels += "," + labelSet("tier", string(Tiers[t]))
				} else if f.name == "bench_case_usable" {
					labels += "," + labelSet("verdict", c.verdict)
				}
				e.sample(f.name, labels, v)
			}
		}
		at += n
	}
	e.out.WriteString("# EOF\n")
	return e.out.Flush()
}

func (e *openMetrics) head(f metric) {
	e.out.WriteString("# HELP " + f.name + " " + f.help + "\n# TYPE " + f.name + " gauge\n")
	if f.unit != "" {
		e.out.WriteString("# UNIT " + f.name + " " + f.unit + "\n")
	}
}

func (e *openMetrics) sample(name, labels string, v float64) {
	e.out.WriteString(name + "{" + labels + "} " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
}

// labelEscape is the escaping of a label's value (OpenMetrics 1.0, "ABNF").
var labelEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// labelText is a text whose line breaks are left to be escaped, and which holds
// nothing else that a terminal would obey.
func labelText(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = oneLine(l)
	}
	return strings.Join(lines, "\n")
}

// labelSet writes name, value pairs; a label of no value is as none at all.
func labelSet(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i] + `="` + labelEscape.Replace(labelText(pairs[i+1])) + `"`)
	}
	return b.String()
}
