package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"bench/datasets"
)

func aggregated(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Aggregated(new(datasets.Scanner), []string{dir}, []datasets.Tier{datasets.TierDatasheet, datasets.TierCeilings}, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The slow node is named, by how much, and no other is; a fleet without one
// names none.
func TestFleetNamesTheSlowNode(t *testing.T) {
	const slow = 17
	f := aggregated(t, writeFleet(t, 2, 25, func(_, host int) float64 {
		if host == slow {
			return 1.05
		}
		return 1
	})).Fleet
	for i, n := range f.Nodes {
		if named := len(n.Outlier) > 0; named != (n.Host == "node017") {
			t.Errorf("%s %s: %v", n.Host, n.Device, n.Outlier)
		}
		if n.Nights != 2 || i < 2 && n.Host != "node017" {
			t.Errorf("line %d: %+v", i, n)
		}
	}
	// The slow host's two devices are 5 % slower. The GPU's datasheet prediction
	// does not know that, so its error falls.
	if n := f.Nodes[0]; len(f.Nodes) != 50 || n.Against["gemm"] < 0.045 || n.Against["gemm"] > 0.055 {
		t.Errorf("%d nodes, the first %+v", len(f.Nodes), n)
	}
	for _, n := range f.Nodes[:2] {
		words := strings.Join(n.Outlier, "; ")
		if !strings.Contains(words, "gemm 5.") && !strings.Contains(words, "gemm 4.") || !strings.Contains(words, "slower than the fleet") {
			t.Errorf("%s: %s", n.Device, words)
		}
		if n.Device == "h100-sxm" && !strings.Contains(words, "error against the datasheet prediction") {
			t.Errorf("%s: %s", n.Device, words)
		}
	}
	for _, n := range aggregated(t, writeFleet(t, 1, 8, steady)).Fleet.Nodes {
		if len(n.Outlier) > 0 {
			t.Errorf("a fleet of equals names %s: %v", n.Host, n.Outlier)
		}
	}
	if f := aggregated(t, writeFleet(t, 3, 1, steady)).Fleet; f != nil {
		t.Errorf("one host is a fleet: %+v", f)
	}
}

// Of a thousand GPUs, eight a host, one is 6 % slower: it is the one that is
// named, by its host and its own number.
func TestFleetNamesTheSlowGPUOfAThousand(t *testing.T) {
	var runs []*datasets.Run
	for host := range 125 {
		run := &datasets.Run{Meta: datasets.Meta{ID: fmt.Sprint("run-", host), Host: fmt.Sprintf("node%03d", host), StartUnixS: 1769900000}}
		for gpu := range 8 {
			for i, m := range []int64{4096, 8192, 16384} {
				seconds := float64(2*m*m*m) / 600e12 * (1 + 0.002*float64((13*host+7*gpu+i)%5-2))
				if host == 42 && gpu == 5 {
					seconds *= 1.06
				}
				run.Rows = append(run.Rows, datasets.Row{DeviceID: "h100-sxm", DeviceUUID: fmt.Sprintf("GPU-%03d-%d", host, gpu),
					Workload:    datasets.GEMM{Kernel: "matmul", Type: datasets.BF16, M: m, N: m, K: m, Ranks: 1},
					Measurement: datasets.Measurement{Source: datasets.SourceMeasured, Verdict: datasets.OK, TimeS: seconds}})
			}
		}
		runs = append(runs, run)
	}
	r, err := New(runs, []datasets.Tier{datasets.TierDatasheet}, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	nodes := r.Fleet.Nodes
	if len(nodes) != 1000 || nodes[0].Host != "node042" || nodes[0].UUID != "GPU-042-5" {
		t.Fatalf("%d nodes, the first %+v", len(nodes), nodes[0])
	}
	for i, n := range nodes {
		if (len(n.Outlier) > 0) != (i == 0) {
			t.Errorf("%s %s: %v", n.Host, n.UUID, n.Outlier)
		}
	}
	var b bytes.Buffer
	if err := FleetText(&b, r.Fleet, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); !strings.Contains(out, "node042") || !strings.Contains(out, "slower than the fleet") {
		t.Error(out)
	}
}

// With three nodes there is no telling which one is wrong.
func TestFleetTooSmall(t *testing.T) {
	f := aggregated(t, writeFleet(t, 1, 3, func(_, host int) float64 { return 1 + float64(host) })).Fleet
	for _, n := range f.Nodes {
		if len(n.Outlier) > 0 {
			t.Errorf("%s: %v", n.Host, n.Outlier)
		}
	}
}

func TestFleetRenders(t *testing.T) {
	r := aggregated(t, writeFleet(t, 1, 65, func(_, host int) float64 { return 1 + 0.5*float64(host/64) }))
	r.Fleet.Nodes[0].Host = "evil\x1b[31m|<script>" + strings.Repeat("x", 60)
	var b bytes.Buffer
	if err := Text(&b, r, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	for l := range strings.SplitSeq(b.String(), "\n") {
		if utf8.RuneCountInString(l) > 80 || strings.Contains(l, "\x1b") {
			t.Errorf("%q", l)
		}
	}
	for _, want := range []string{"Fleet: 130 nodes, 2 stand out", "… 10 more nodes", "aggregated, each predicted anew", "the worst 10 by |error|"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := Markdown(&b, r, 0); err != nil || strings.Contains(b.String(), "<script>") || !strings.Contains(b.String(), "## Fleet: 130 nodes, 2 stand out") {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	var back struct {
		Schema string
		Nodes  []Node
	}
	if err := FleetJSON(&b, r.Fleet); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Schema != FleetSchema || fmt.Sprint(back.Nodes[3].Against) != fmt.Sprint(r.Fleet.Nodes[3].Against) {
		t.Errorf("%v: %+v", err, back)
	}
	b.Reset()
	if err := Brief(&b, r, TextOptions{Files: []string{"nights"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Fleet: 130 nodes, 2 stand out", "910 cases are in nights", "bench report nights --rows all"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
