package predict

import (
	"fmt"
	"regexp"
	"strings"

	"bench/datasets"
)

// expertsInName finds a mixture of experts: "8x7B", "30B-A3B", "A3B", "MoE".
var expertsInName = regexp.MustCompile(`(?i)\d+x\d|\bA\d+(\.\d+)?B\b|\.A\d|moe`)

// modelPass bounds a pass of a whole model of which the size alone is known: its
// weights read once at the memory's bandwidth, and the products of all its tokens
// at the peak. The one GPU after the other reads its layers, unless the rows of
// each are split; a prompt's products may use all at once. Attention, activations
// and launches come on top, so that this is a bound from below.
func modelPass(d *datasets.Device, m datasets.ModelPass) datasets.Prediction {
	p := datasets.Prediction{Rule: "max"}
	setting := func(name string) bool { return strings.Contains(" "+m.Options, " "+name) }
	ranks := float64(max(m.Ranks, 1))
	readers := ranks
	if d.Kind == "gpu" && m.QueryTokens == 1 && !setting("sm=row") {
		readers = 1
	}
	if d.Kind != "gpu" {
		ranks, readers = 1, 1 // cores of one device
	}
	peak := d.PeakFLOPs[m.Type].Value
	if m.Format != "" {
		peak = max(peak, d.PeakFLOPs[datasets.INT8].Value) // llama.cpp's products of quantised weights
	}
	switch {
	case expertsInName.MatchString(m.Model):
		p.NotPredicted = "a mixture of experts: which share of its weights a token reads is not in the file"
	case setting("ngl=") || setting("ncmoe="):
		p.NotPredicted = "a part of the model lies on the host"
	case d.MemoryBandwidth.Value == 0:
		p.NotPredicted = "no datasheet bandwidth"
	case peak == 0:
		p.NotPredicted = fmt.Sprintf("no datasheet peak of %s for %s", d.ID, m.Type)
	default:
		p.Terms = []datasets.Term{{Name: "compute", Seconds: m.FLOPs() / (peak * ranks)},
			{Name: "memory", Seconds: m.Bytes() / (d.MemoryBandwidth.Value * readers)}}
		longest(&p)
		p.LowS = p.Seconds
	}
	return p
}
