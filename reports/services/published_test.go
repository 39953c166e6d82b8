package services

import (
	"testing"

	"bench/datasets/stats"
)

// Every published figure is computed, services within 12 % in the median and
// training within 15 %.
func TestPublished(t *testing.T) {
	errors := map[string][]float64{}
	for _, p := range Recompute() {
		if p.Why != "" || !(p.Computed > 0) {
			t.Errorf("%s: %s", p.What, p.Why)
			continue
		}
		errors[p.Kind] = append(errors[p.Kind], p.Error())
	}
	for kind, most := range map[string]float64{"serving": 0.12, "training": 0.15} {
		if m := stats.Median(absolute(errors[kind])); len(errors[kind]) < 15 || m > most {
			t.Errorf("%s: %d figures, median error %.3f", kind, len(errors[kind]), m)
		}
	}
}
