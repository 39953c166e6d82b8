package reports

import (
	"sync"
	"sync/atomic"

	"bench/datasets"
	"bench/predict"
)

// maxMemo bounds how many workloads a memo keeps.
const maxMemo = 1 << 16

// memo keeps what a device's tiers predict for a workload, but for the ceilings
// tier, whose inputs differ from run to run. The others follow from the
// catalogue's device and the workload alone, and a fleet measures the same
// workloads every night.
type memo struct {
	byKey sync.Map // []datasets.Prediction by the workload's key; not changed once there
	n     atomic.Int64
}

func (m *memo) predict(j *Joined, predictors []*predict.Predictor, tiers []datasets.Tier) {
	known, ok := m.byKey.Load(j.Key)
	if ok {
		copy(j.Predictions, known.([]datasets.Prediction))
	}
	for i, p := range predictors {
		if !ok || tiers[i] == datasets.TierCeilings {
			j.Predictions[i] = p.Predict(j.Row.Workload)
		}
	}
	if !ok && m.n.Add(1) <= maxMemo {
		m.byKey.Store(j.Key, append([]datasets.Prediction(nil), j.Predictions...))
	}
}
