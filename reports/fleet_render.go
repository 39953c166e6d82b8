package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// fleetNote says what the table's figures are.
const fleetNote = "By suite: the node's time against the median of all nodes with the same device; + is slower. " +
	"Error: the median error of the tier named, predicted / measured − 1."

// headline counts nodes and outliers.
func (f *Fleet) headline() string {
	out := 0
	for i := range f.Nodes {
		if len(f.Nodes[i].Outlier) > 0 {
			out++
		}
	}
	s := fmt.Sprintf("%s nodes, ", Count(len(f.Nodes)))
	if out == 0 {
		return s + "none stands out"
	}
	return s + fmt.Sprintf("%s stand out", Count(out))
}

// outliers are sentences, a node each.
func (f *Fleet) outliers() []string {
	var lines []string
	for i := range f.Nodes {
		if n := &f.Nodes[i]; len(n.Outlier) > 0 {
			lines = append(lines, Clean(n.name()+": "+strings.Join(n.Outlier, "; ")))
		}
	}
	return lines
}

func (n *Node) name() string {
	name := n.Host + " " + n.Device
	if n.UUID != "" {
		name += " " + n.UUID
	}
	if n.Simulated {
		name += " (SIMULATED)"
	}
	return name
}

// cells are a node's line: host, device, nights, a figure a suite, error, tier.
func (f *Fleet) cells(n *Node) table.Row {
	device := n.Device
	if n.UUID != "" {
		device += " " + n.UUID
	}
	row := table.Row{Clean(n.Host), Clean(device), Count(n.Nights)}
	for _, s := range f.Suites {
		cell := "–"
		if v, ok := n.Against[s]; ok {
			cell = SignedPercent(v)
		}
		row = append(row, cell)
	}
	if n.Tier == "" {
		return append(row, "–", "")
	}
	return append(row, SignedPercent(n.Error), n.Tier)
}

func (f *Fleet) header() table.Row {
	row := table.Row{"host", "device", "nights"}
	for _, s := range f.Suites {
		row = append(row, s)
	}
	return append(row, "error", "tier")
}

// fleetRows bounds the lines of nodes as tables of rows are.
const fleetRows = defaultRows

// FleetText writes the fleet for a terminal: the outliers in words, then a line
// a node, the outliers first.
func FleetText(w io.Writer, f *Fleet, o TextOptions) error {
	out := &sink{w: w}
	v := textView{out: out, width: max(o.Width, 60), rows: o.Rows}
	if o.Width == 0 {
		v.width = 80
	}
	v.fleet(f)
	return out.err
}

func (v *textView) fleet(f *Fleet) {
	if f == nil {
		return
	}
	limit := v.rows
	if limit == 0 {
		limit = fleetRows
	}
	v.line("Fleet: " + f.headline())
	for i, s := range f.outliers() {
		if i == limit {
			v.line("  … more (--rows all, or --format json)")
			break
		}
		for j, l := range strings.Split(text.WrapSoft(s, v.width-4), "\n") {
			v.out.printf("%*s%s\n", 2+2*min(j, 1), "", strings.TrimRight(l, " "))
		}
	}
	v.out.printf("\n")
	v.line(fleetNote)
	nodes := f.Nodes
	if limit > 0 && len(nodes) > limit {
		nodes = nodes[:limit]
	}
	t := v.plain()
	t.AppendHeader(f.header())
	rows := make([]table.Row, len(nodes))
	// Host and device take what the figures leave, and are cut, so that a node
	// stays one line.
	left := v.width
	for c, h := range f.header() {
		widest := 0
		if c != 0 && c != 1 {
			widest = text.StringWidthWithoutEscSequences(h.(string))
			for i := range nodes {
				widest = max(widest, text.StringWidthWithoutEscSequences(f.cells(&nodes[i])[c].(string)))
			}
			widest += len(gap)
		}
		left -= widest
	}
	left -= 2 * len(gap)
	hosts := 4
	for i := range nodes {
		rows[i] = f.cells(&nodes[i])
		hosts = max(hosts, text.StringWidthWithoutEscSequences(rows[i][0].(string)))
	}
	hosts = min(hosts, max(left-10, 8))
	devices := max(left-hosts, 6)
	for _, r := range rows {
		r[0], r[1] = text.Snip(r[0].(string), hosts, "…"), text.Snip(r[1].(string), devices, "…")
		t.AppendRow(r)
	}
	configs := make([]table.ColumnConfig, 0, len(f.Suites)+2)
	for c := range f.header() {
		if c > 1 && c < len(f.Suites)+4 {
			configs = append(configs, table.ColumnConfig{Number: c + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(configs)
	v.render(t)
	if hidden := len(f.Nodes) - len(nodes); hidden > 0 {
		v.line(fmt.Sprintf("… %s more nodes, none of which stands out further (--rows all)", Count(hidden)))
	}
}

// FleetMarkdown writes the fleet for a GitHub job summary.
func FleetMarkdown(w io.Writer, f *Fleet, rows int) error {
	out := &sink{w: w}
	markdownFleet(out, f, rows)
	return out.err
}

func markdownFleet(out *sink, f *Fleet, rows int) {
	if f == nil {
		return
	}
	if rows == 0 {
		rows = markdownRows
	}
	out.printf("## Fleet: %s\n\n", f.headline())
	lines := f.outliers()
	for i, s := range lines {
		if i == rows {
			out.printf("- … more (`--rows all`)\n")
			break
		}
		out.printf("- %s\n", EscapeMarkdown(s))
	}
	if len(lines) > 0 {
		out.printf("\n")
	}
	out.printf("%s\n\n", fleetNote)
	t := table.NewWriter()
	t.AppendHeader(f.header())
	nodes := f.Nodes
	if rows > 0 && len(nodes) > rows {
		nodes = nodes[:rows]
	}
	for i := range nodes {
		r := slices.Clone(f.cells(&nodes[i]))
		r[0], r[1] = EscapeMarkdown(r[0].(string)), EscapeMarkdown(r[1].(string))
		t.AppendRow(r)
	}
	markdownTable(out, t)
	if hidden := len(f.Nodes) - len(nodes); hidden > 0 {
		out.printf("… %s more nodes (`--rows all`)\n\n", Count(hidden))
	}
}

// says is what a reader of an aggregated report must know, in one paragraph.
func (a *Aggregate) says() string {
	return fmt.Sprintf("%s rows of %s runs on %s hosts, %s: more than %s rows are aggregated, each predicted anew as in a small report. "+
		"n, MAPE and counts are exact; median, p90 and bias of more than %d rows come from a sketch, each within %s of itself. "+
		"Of single rows the worst are shown.",
		Count(a.Rows), Count(a.Runs), Count(a.Hosts), a.span(), Count(AggregateRows), a.ExactValues, Percent(a.QuantileAccuracy))
}

// FleetSchema names the form of a fleet in JSON.
const FleetSchema = "bench.fleet/1"

// FleetJSON writes the fleet, every node.
func FleetJSON(w io.Writer, f *Fleet) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(struct {
		Schema string `json:"schema"`
		*Fleet
	}{FleetSchema, f})
}
