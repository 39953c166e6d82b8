package predict

import (
	"math"
	"testing"

	"bench/datasets"
	"bench/datasets/catalog"
)

// Between nodes, by hand: 16 A100 on 2 nodes, 25 GB/s a card and 300 GB/s of links.
// A ring's all-reduce of 1 GB sends 2 · 15/16 of it through 8 cards, 9.375 ms: 200 GB/s
// on the bus. 2 ranks on 2 nodes have no links to use: 40 ms.
func TestCollectivesBetweenNodes(t *testing.T) {
	d, err := catalog.Lookup("a100-sxm-80")
	if err != nil {
		t.Fatal(err)
	}
	const gb = 1e9
	for _, c := range []struct {
		kind         string
		ranks, nodes int
		seconds      float64
		binds        string
	}{
		{"all_reduce", 16, 2, 2 * 15. / 16 * gb / 8 / 25e9, "network"},
		{"all_reduce", 2, 2, gb / 25e9, "network"},
		{"all_reduce", 8, 1, 1.75 * gb / 300e9, "communication"},
		{"all_gather", 32, 4, 31. / 32 * gb / 8 / 25e9, "network"},
		{"reduce_scatter", 4, 4, 0.75 * gb / 25e9, "network"},
		// 3/4 of a rank's buffer is for ranks of other nodes, by its own card.
		{"all_to_all", 32, 4, 0.75 * gb / 25e9, "network"},
		{"send_recv", 2, 2, gb / 25e9, "network"},
		{"send_recv", 2, 1, gb / 300e9, "communication"},
	} {
		w := datasets.Collective{Kind: c.kind, Type: datasets.BF16, SizeBytes: gb, Ranks: c.ranks, Nodes: c.nodes}
		p := New(d, datasets.TierDatasheet).Predict(w)
		if math.Abs(p.Seconds/c.seconds-1) > 1e-9 || p.Binds != c.binds {
			t.Errorf("%s: %g s bound by %s, want %g by %s", w.Key(), p.Seconds, p.Binds, c.seconds, c.binds)
		}
	}
	d.NetworkBandwidth = datasets.Figure{}
	w := datasets.Collective{Kind: "all_reduce", Type: datasets.BF16, SizeBytes: gb, Ranks: 2, Nodes: 2}
	if p := New(d, datasets.TierDatasheet).Predict(w); p.NotPredicted != "no datasheet bandwidth of the network" {
		t.Errorf("%+v", p)
	}
}
