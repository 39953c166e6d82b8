package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"bench/datasets"
	"bench/datasets/stats"
)

// A node is named as an outlier where it lies further from the fleet's median
// than outlierCut robust standard deviations (stats.RobustSigma), 3.5 as in Iglewicz
// and Hoaglin, "How to Detect and Handle Outliers" (1993). The deviation is taken
// to be leastDeviation at least, half of the 1 % to which a case is measured:
// in a fleet of near equals a hair would stand out otherwise.
const (
	outlierCut     = 3.5
	leastDeviation = 0.005
	// leastNodes is how many nodes make a fleet that one can stand out of.
	leastNodes = 4
	// nodeNights is how many of a workload's latest times on a node count.
	nodeNights = 64
)

// Fleet is nodes side by side, the outliers first.
type Fleet struct {
	Nodes []Node `json:"nodes"`
	// Suites are those that some node measured.
	Suites []string `json:"suites"`
}

// Node is one device of one host.
type Node struct {
	Host   string `json:"host"`
	Device string `json:"device"`
	// UUID is the very GPU, "" where it is not known.
	UUID      string `json:"uuid,omitempty"`
	Source    string `json:"source"`
	Simulated bool   `json:"simulated"`
	// Nights is how many dates (UTC) it was measured on, and N its rows.
	Nights int `json:"nights"`
	N      int `json:"n"`
	// Against is, by suite, the node's time over the fleet's, minus one: the
	// median over workloads of the node's median over nights against the median
	// of all nodes with the same device. Above 0 is slower.
	Against map[string]float64 `json:"against_fleet"`
	// Error is the median error of Tier: the most informed one that knows
	// nothing of the node's own speed, or else "ceilings". Tier is "" where
	// nothing was predicted.
	Tier  string  `json:"tier,omitempty"`
	Error float64 `json:"error"`
	// Outlier says in a sentence each what stands out, the furthest first.
	Outlier []string `json:"outlier"`

	furthest float64
}

// fleetTiers are the tiers that a node is judged by. The ceilings come last:
// they are measured on the node itself, and a slow node has low ones.
var fleetTiers = []datasets.Tier{datasets.TierCalibrated, datasets.TierTransferred, datasets.TierDatasheet, datasets.TierCeilings}

type nodeID struct {
	host, device, uuid string
	source             datasets.Source
}

// kindID are the nodes that are compared with one another. The name matters
// for hosts, whose device is always "host".
type kindID struct {
	device, name string
	source       datasets.Source
}

type nodeTally struct {
	kind   kindID
	n      int
	nights map[int64]bool
	times  map[string]*nodeTimes // by the workload's key
	errors []distribution        // by tier
}

// nodeTimes are the latest nodeNights times of a workload on a node.
type nodeTimes struct {
	suite  datasets.Suite
	times  []float64
	oldest int
}

type fleetTally struct {
	tiers []datasets.Tier
	nodes map[nodeID]*nodeTally
}

func newFleetTally(tiers []datasets.Tier) *fleetTally {
	return &fleetTally{tiers: tiers, nodes: map[nodeID]*nodeTally{}}
}

// FleetOf compares the nodes of rows in memory; nil where there is one.
func FleetOf(runs []*datasets.Run, rows []Joined, tiers []datasets.Tier) *Fleet {
	t := newFleetTally(tiers)
	for i := range rows {
		if rows[i].Row.Measurement.Usable() {
			run := runs[rows[i].Run]
			t.add(&run.Meta, run.Devices, &rows[i])
		}
	}
	return t.fleet()
}

// add takes a usable row. Imported ones are of no node.
func (t *fleetTally) add(meta *datasets.Meta, devices []datasets.Device, j *Joined) {
	m := &j.Row.Measurement
	if m.Source == datasets.SourceImported || meta.Host == "" {
		return
	}
	id := nodeID{meta.Host, j.Row.DeviceID, j.Row.DeviceUUID, m.Source}
	n := t.nodes[id]
	if n == nil {
		n = &nodeTally{kind: kindID{device: j.Row.DeviceID, source: m.Source}, nights: map[int64]bool{}, times: map[string]*nodeTimes{}, errors: make([]distribution, len(t.tiers))}
		for i := range devices {
			if devices[i].ID == j.Row.DeviceID {
				n.kind.name = devices[i].Name
			}
		}
		t.nodes[id] = n
	}
	n.n++
	n.nights[meta.StartUnixS/86400] = true
	x := n.times[j.Key]
	if x == nil {
		x = &nodeTimes{suite: j.Row.Workload.Suite()}
		n.times[j.Key] = x
	}
	if len(x.times) < nodeNights {
		x.times = append(x.times, m.TimeS)
	} else {
		x.times[x.oldest] = m.TimeS
		x.oldest = (x.oldest + 1) % nodeNights
	}
	for k := range t.tiers {
		if e, ok := j.Error(k); ok {
			n.errors[k].add(e)
		}
	}
}

// fleet is nil where there is one host, or none.
func (t *fleetTally) fleet() *Fleet {
	hosts := map[string]bool{}
	kinds := map[kindID][]nodeID{}
	for id, n := range t.nodes {
		hosts[id.host] = true
		k := n.kind
		kinds[k] = append(kinds[k], id)
	}
	if len(hosts) < 2 {
		return nil
	}
	f := &Fleet{}
	seen := map[string]bool{}
	for _, ids := range kinds {
		nodes := t.compare(ids)
		nameOutliers(nodes)
		for _, n := range nodes {
			for s := range n.Against {
				seen[s] = true
			}
		}
		f.Nodes = append(f.Nodes, nodes...)
	}
	for _, s := range append(slices.Clone(datasets.Suites), datasets.SuitePrefill) {
		if seen[string(s)] {
			f.Suites = append(f.Suites, string(s))
		}
	}
	slices.SortFunc(f.Nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.furthest, a.furthest), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Device, b.Device),
			cmp.Compare(a.UUID, b.UUID), cmp.Compare(a.Source, b.Source))
	})
	return f
}

// compare sets nodes of one kind beside the median of them all.
func (t *fleetTally) compare(ids []nodeID) []Node {
	byKey := map[string][]float64{}
	own := make([]map[string]float64, len(ids))
	for i, id := range ids {
		own[i] = map[string]float64{}
		for key, x := range t.nodes[id].times {
			m := stats.Median(slices.Clone(x.times))
			own[i][key] = m
			byKey[key] = append(byKey[key], m)
		}
	}
	fleet := map[string]float64{}
	for key, times := range byKey {
		if len(times) > 1 { // measured on one node alone, there is no fleet
			fleet[key] = stats.Median(times)
		}
	}
	nodes := make([]Node, len(ids))
	for i, id := range ids {
		n := t.nodes[id]
		nodes[i] = Node{Host: id.host, Device: id.device, UUID: id.uuid, Source: string(id.source), Simulated: id.source == datasets.SourceSimulated,
			Nights: len(n.nights), N: n.n, Against: map[string]float64{}, Outlier: []string{}}
		ratios := map[string][]float64{}
		for key, m := range own[i] {
			if all, ok := fleet[key]; ok {
				s := string(n.times[key].suite)
				ratios[s] = append(ratios[s], m/all-1)
			}
		}
		for s, r := range ratios {
			nodes[i].Against[s] = stats.Median(r)
		}
		for _, tier := range fleetTiers {
			k := slices.Index(t.tiers, tier)
			if k >= 0 && n.errors[k].n > 0 {
				nodes[i].Tier = string(tier)
				_, _, _, _, nodes[i].Error = n.errors[k].figures()
				break
			}
		}
	}
	return nodes
}

// nameOutliers says of each node of one kind what stands out of the others.
func nameOutliers(nodes []Node) {
	type remark struct {
		z    float64
		text string
	}
	remarks := make([][]remark, len(nodes))
	judge := func(of func(*Node) (float64, bool), say func(n *Node, v, median float64) string) {
		var values []float64
		for i := range nodes {
			if v, ok := of(&nodes[i]); ok {
				values = append(values, v)
			}
		}
		if len(values) < leastNodes {
			return
		}
		center := stats.Median(values)
		scale := max(stats.RobustSigma(values), leastDeviation)
		for i := range nodes {
			if v, ok := of(&nodes[i]); ok {
				if z := math.Abs(v-center) / scale; z > outlierCut {
					remarks[i] = append(remarks[i], remark{z, say(&nodes[i], v, center)})
				}
			}
		}
	}
	for _, suite := range append(slices.Clone(datasets.Suites), datasets.SuitePrefill) {
		judge(func(n *Node) (float64, bool) { v, ok := n.Against[string(suite)]; return v, ok },
			func(n *Node, v, center float64) string {
				word := "slower"
				if v < center {
					word = "faster"
				}
				return fmt.Sprintf("%s %s %s than the fleet", suite, Percent(math.Abs((1+v)/(1+center)-1)), word)
			})
	}
	for _, tier := range fleetTiers {
		judge(func(n *Node) (float64, bool) { return n.Error, n.Tier == string(tier) },
			func(n *Node, v, center float64) string {
				return fmt.Sprintf("error against the %s prediction %s, the fleet's %s", tier, SignedPercent(v), SignedPercent(center))
			})
	}
	for i := range nodes {
		slices.SortStableFunc(remarks[i], func(a, b remark) int { return cmp.Compare(b.z, a.z) })
		for _, r := range remarks[i] {
			nodes[i].Outlier = append(nodes[i].Outlier, r.text)
			nodes[i].furthest = max(nodes[i].furthest, r.z)
		}
	}
}

// span is the dates of the first and the last run.
func (a *Aggregate) span() string {
	day := func(s int64) string { return time.Unix(s, 0).UTC().Format(time.DateOnly) }
	if day(a.FirstUnixS) == day(a.LastUnixS) {
		return day(a.FirstUnixS)
	}
	return day(a.FirstUnixS) + " to " + day(a.LastUnixS)
}
