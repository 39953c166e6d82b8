package predict

import "bench/datasets"

// ceilings is the ceilings tier.
func ceilings(_ *datasets.Device, w datasets.Workload) datasets.Prediction {
	return datasets.Prediction{NotPredicted: "no ceilings model of " + string(w.Suite())}
}
