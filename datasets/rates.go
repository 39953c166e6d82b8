package datasets

// Rates are what a measured time amounts to, in base units a second. A rate that
// says nothing about the operation is 0.
type Rates struct {
	// FLOPPerS is the workload's FLOPs over the time.
	FLOPPerS float64
	// BandwidthBytesPerS is the workload's Bytes over the time.
	BandwidthBytesPerS float64
	// AlgorithmBytesPerS and BusBytesPerS are a collective's, as nccl-tests
	// defines them.
	AlgorithmBytesPerS, BusBytesPerS float64
	TokensPerS                       float64
}

// RatesOf are the rates of a workload that took so long. An operation whose
// rates are others than FLOP, bytes and tokens over the time has a method rates.
func RatesOf(w Workload, seconds float64) Rates {
	if !(seconds > 0) {
		return Rates{}
	}
	if own, ok := w.(interface{ rates(seconds float64) Rates }); ok {
		return own.rates(seconds)
	}
	return Rates{FLOPPerS: w.FLOPs() / seconds, BandwidthBytesPerS: w.Bytes() / seconds, TokensPerS: TokensOf(w) / seconds}
}

// Rates are the row's, all 0 where its time is not usable.
func (r *Row) Rates() Rates {
	if !r.Measurement.Usable() {
		return Rates{}
	}
	return RatesOf(r.Workload, r.Measurement.TimeS)
}

// Imbalance is the load of the most loaded expert (or rank) over the mean, 0
// where there are no loads.
func (m *Measurement) Imbalance() float64 {
	if m.MeanLoad > 0 {
		return m.MaxLoad / m.MeanLoad
	}
	return 0
}
