package ceilings

import "bench/datasets"

func (m *Model) attention(w datasets.Attention) datasets.Prediction {
	return missing("no ceilings model of %s/%s", w.Suite(), w.Op())
}

func (m *Model) decode(w datasets.DecodeLayer) datasets.Prediction {
	return missing("no ceilings model of %s/%s", w.Suite(), w.Op())
}
