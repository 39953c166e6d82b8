package reports

import (
	"slices"

	"bench/datasets"
)

// Store gives a run's devices the ceilings that it measured and its rows their
// predictions, of every tier that predicts any of them, and says in Meta.PredictedBy
// what made them. It returns those tiers.
func Store(run *datasets.Run) (tiers []datasets.Tier) {
	devices := Catalogue(nil)
	joined, _ := Predict([]*datasets.Run{run}, datasets.Tiers, devices) // only an override can be wrong
	run.Meta.PredictedBy = map[string]string{}
	for t, tier := range datasets.Tiers {
		if !slices.ContainsFunc(joined, func(j Joined) bool { return j.Predictions[t].NotPredicted == "" }) {
			continue
		}
		tiers = append(tiers, tier)
		for i := range joined {
			run.Rows[i].Predictions = append(run.Rows[i].Predictions, joined[i].Predictions[t])
		}
	}
	for i := range run.Devices {
		dev := &run.Devices[i]
		for t, p := range devices.context(run, dev.ID, "", tiers).predictors {
			run.Meta.PredictedBy[predictedBy(dev.ID, tiers[t])] = p.Version()
		}
		dev.Ceilings = ceilings(run, dev.ID)
	}
	return tiers
}
