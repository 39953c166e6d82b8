package host

import "bench/datasets"

// peaks is the clock and the arithmetic peaks by type; unknown so far.
func peaks(*Backend) (datasets.Figure, map[datasets.DType]datasets.Figure) {
	return datasets.Figure{}, nil
}
