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
	byKey sync.Map // []datasets.Prediction by memoKey; not changed once there
	n     atomic.Int64
}

// memoKey is all that a prediction depends on beside the device.
type memoKey struct {
	workload string
	stack    datasets.Stack
}

func (m *memo) predict(j *Joined, predictors []*predict.Predictor, tiers []datasets.Tier) {
	stack := j.Row.Measurement.Stack
	key := memoKey{j.Key, stack}
	known, ok := m.byKey.Load(key)
	if ok {
		copy(j.Predictions, known.([]datasets.Prediction))
	}
	for i, p := range predictors {
		if !ok || tiers[i] == datasets.TierCeilings {
			j.Predictions[i] = p.PredictOn(j.Row.Workload, stack)
		}
	}
	if !ok && m.n.Add(1) <= maxMemo {
		m.byKey.Store(key, append([]datasets.Prediction(nil), j.Predictions...))
	}
}
