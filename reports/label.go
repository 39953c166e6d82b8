package reports

import (
	"fmt"
	"strings"

	"bench/datasets"
)

// Label names a workload in a table of its suite: what differs between the
// rows, shortest first.
func Label(w datasets.Workload) string {
	var b strings.Builder
	add := func(format string, args ...any) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, format, args...)
	}
	switch w := w.(type) {
	case datasets.Stream:
		add("%s", w.Kernel)
		switch {
		case w.Rows > 0:
			add("%s %d×%d", w.Type, w.Rows, w.Cols)
		case w.SizeBytes > 0:
			add("%s", Bytes(float64(w.SizeBytes)))
		}
	case datasets.GEMM:
		if w.Kernel == "peak" {
			add("peak %s", w.Type)
			break
		}
		add("%s %d×%d×%d", w.Type, w.M, w.N, w.K)
		add2(add, string(w.Cache), string(datasets.Cold))
		add2(add, w.Format, w.Format)
	case datasets.Collective:
		add("%s %s %s", w.Kind, w.Type, Bytes(float64(w.SizeBytes)))
		add2(add, w.Algorithm, w.Algorithm)
		add2(add, w.Launch, "eager")
		if w.Nodes > 1 {
			add("on %d nodes", w.Nodes)
		}
	case datasets.Attention:
		add("attn %s b%d", w.Type, w.Batch)
		if w.QueryTokens > 1 {
			add("q%d", w.QueryTokens)
		}
		add("ctx %d h%d/%d×%d", w.ContextTokens, w.Heads, w.KVHeads, w.HeadDim)
		if w.KVType != "" && w.KVType != w.Type {
			add("kv %s", w.KVType)
		}
		add2(add, string(w.Cache), string(datasets.Cold))
	case datasets.DecodeLayer:
		add("%s %s b%d ctx %d", w.Model, w.Type, w.Batch, w.ContextTokens)
		if w.TP > 1 {
			add("tp%d", w.TP)
		}
		add2(add, string(w.Cache), string(datasets.Hot))
	case datasets.MoELayer:
		add("%s t%d e%d top%d", w.Type, w.Tokens, w.Experts, w.TopK)
		add("%s", w.Routing.Rule)
		if w.Routing.Exponent != 0 {
			add("%g", w.Routing.Exponent)
		}
		if w.Kernel == "experts" {
			add("h%d i%d tp%d ep%d", w.Hidden, w.Intermediate, w.TP, w.EP)
		}
		add2(add, w.Format, w.Format)
	default:
		add("%s", w.Key())
	}
	if n := w.Workers(); n > 1 {
		add("×%d", n)
	}
	return Clean(b.String())
}

// add2 adds a word where it is the notable one of its kind.
func add2(add func(string, ...any), word, notable string) {
	if word != "" && word == notable {
		add("%s", word)
	}
}

// onGPU reports whether a row is of a GPU, which writes sectors as they are: a
// CPU's caches fetch a line before a plain store overwrites part of it.
func (r *Report) onGPU(j *Joined) bool {
	if j.Run >= len(r.Runs) {
		return false
	}
	d := r.Runs[j.Run].Device(j.Row.DeviceID)
	return d != nil && d.Kind == "gpu"
}

// Extras are up to two short facts beside a measured time: the suite's own
// figures (a rate, a bandwidth, a load), "" where there is none.
func (r *Report) Extras(j *Joined) (left, right string) {
	if !j.Row.Measurement.Usable() {
		return "", ""
	}
	rates := j.Row.Rates()
	switch w := j.Row.Workload.(type) {
	case datasets.Stream:
		if w.Kernel == "latency" || w.Kernel == "launch" {
			return "", ""
		}
		if wa := w.WriteAllocateBytes(); wa > 0 && !r.onGPU(j) {
			left = fmt.Sprintf("+%.0f %% write-allocate", wa/w.Bytes()*100)
		}
		return left, BytesPerSecond(rates.BandwidthBytesPerS)
	case datasets.GEMM:
		return "", FLOPsPerSecond(rates.FLOPPerS)
	case datasets.Collective:
		return "algo " + BytesPerSecond(rates.AlgorithmBytesPerS), "bus " + BytesPerSecond(rates.BusBytesPerS)
	case datasets.Attention, datasets.DecodeLayer:
		if s := j.memoryShare(); s > 0 {
			right = Percent(s) + " of memory"
		}
		return PerSecond(rates.TokensPerS) + " tokens/s", right
	case datasets.MoELayer:
		m := &j.Row.Measurement
		if m.ActiveExperts > 0 {
			left = fmt.Sprintf("%d of %d experts active", m.ActiveExperts, w.Experts)
			if i := m.Imbalance(); i > 0 {
				left += fmt.Sprintf(", imbalance %.2f", i)
			}
		}
		if s := r.Slowdown(j); s > 0 {
			right = threeDigits(s) + "× balanced"
		}
		return left, right
	}
	return "", ""
}

// memoryShare of a decode step or attention kernel is its least traffic over the
// time measured, as a share of the device's memory bandwidth; 0 where it is not
// known or not of that kind.
func (j *Joined) memoryShare() float64 {
	switch j.Row.Workload.(type) {
	case datasets.Attention, datasets.DecodeLayer:
		if j.BandwidthBytesPerS > 0 {
			return j.Row.Rates().BandwidthBytesPerS / j.BandwidthBytesPerS
		}
	}
	return 0
}

// Interval is a measured median with the half width of its confidence interval
// as a share: "12.3 µs ±0.4 %", and "±>100 %" where it is wider than the
// time itself. Imported rows may have no interval.
func Interval(m *datasets.Measurement) string {
	s := Seconds(m.TimeS)
	switch half := (m.HighS - m.LowS) / 2; {
	case half > m.TimeS:
		return s + " ±>100 %"
	case half > 0 && m.TimeS > 0:
		return s + " ±" + Percent(half/m.TimeS)
	}
	return s
}
