package ceilings

import "bench/datasets"

func (m *Model) moe(w datasets.MoELayer) datasets.Prediction {
	return missing("no ceilings model of %s/%s", w.Suite(), w.Op())
}
