package reports

import (
	"slices"

	"bench/datasets"
)

// Store gives a run's devices the ceilings that it measured and its rows their
// predictions, of every tier that predicts any of them. It returns those tiers.
func Store(run *datasets.Run) []datasets.Tier {
	for i := range run.Devices {
		run.Devices[i].Ceilings = ceilings(run, run.Devices[i].ID)
	}
	joined, _ := Predict([]*datasets.Run{run}, datasets.Tiers, Catalogue(nil)) // only an override can be wrong
	var tiers []datasets.Tier
	for t, tier := range datasets.Tiers {
		if !slices.ContainsFunc(joined, func(j Joined) bool { return j.Predictions[t].NotPredicted == "" }) {
			continue
		}
		tiers = append(tiers, tier)
		for i := range joined {
			run.Rows[i].Predictions = append(run.Rows[i].Predictions, joined[i].Predictions[t])
		}
	}
	return tiers
}
