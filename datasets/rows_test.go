package datasets

import (
	"math"
	"math/rand/v2"
	"reflect"
)

// randomWorkload draws a workload of any type, every field filled or, at
// random, left at zero where it may be.
func randomWorkload(r *rand.Rand) Workload {
	n := func() int64 { return 1 + r.Int64N(1<<uint(1+r.IntN(16))) }
	ranks := func() int { return 1 + r.IntN(8) }
	dtype := DTypes[r.IntN(len(DTypes))]
	cache := []Cache{"", Hot, Cold}[r.IntN(3)]
	maybe := func(s ...string) string { return append(s, "")[r.IntN(len(s)+1)] }
	switch r.IntN(8) {
	case 0:
		s := Stream{Kernel: "triad", Type: dtype, SizeBytes: n(), Ranks: ranks()}
		if r.IntN(2) == 0 {
			s.Kernel, s.Rows, s.Cols = "softmax", n(), n()
		} else if r.IntN(4) == 0 {
			s.Kernel, s.Pair = "peer", "0-3"
		}
		return s
	case 1:
		if r.IntN(4) == 0 {
			return GEMM{Kernel: "peak", Type: dtype, Ops: n(), Ranks: ranks()}
		}
		return GEMM{Kernel: "matmul", Type: dtype, M: n(), N: n(), K: n(), Ranks: ranks(), Cache: cache, Format: maybe("fp8_block")}
	case 2:
		return Collective{Kind: CollectiveKinds[r.IntN(len(CollectiveKinds))], Type: dtype, SizeBytes: n(), Ranks: 1 + ranks(),
			Nodes: 1, Algorithm: maybe("ring", "direct"), Launch: maybe("eager", "graph"), InPlace: r.IntN(2) == 0}
	case 3:
		kv := n()
		a := Attention{Type: dtype, KVType: DType(maybe("fp8", string(dtype))), Batch: n(), QueryTokens: 1 + r.Int64N(2), ContextTokens: 1 + n(),
			Heads: kv * 4, KVHeads: kv, HeadDim: n(), Ranks: ranks(), Cache: cache}
		if r.IntN(3) == 0 {
			a.ValueDim, a.SharedDim, a.Window = a.HeadDim, 1, n()
		}
		return a
	case 5:
		return ModelPass{Options: maybe("nkvo=1"), Model: maybe("llama 7B Q4_K - Medium"), Type: dtype, Format: maybe("q4_k"), WeightBytes: n(), Parameters: n(),
			QueryTokens: 1 + r.Int64N(2), ContextTokens: 1 + n(), Ranks: ranks()}
	case 6:
		s := Serve{Kernel: ServeFigures[r.IntN(len(ServeFigures))], Type: dtype, KVType: DType(maybe("fp8")), Format: maybe("mxfp4"),
			Model: maybe("llama-3.1-8b"), InputTokens: n(), OutputTokens: n(), Requests: r.Int64N(2) * n(), TP: ranks(), PP: ranks(),
			DP: ranks(), EP: ranks(), ETP: ranks(), Ranks: ranks()}
		if r.IntN(2) == 0 {
			s.Concurrency = n()
		} else {
			s.Rate = r.ExpFloat64()
		}
		return s
	case 4:
		kv := n()
		return DecodeLayer{Model: maybe("llama-2-7b"), Type: dtype, Batch: n(), ContextTokens: n(), Hidden: n(), Heads: kv * 2, KVHeads: kv,
			HeadDim: n(), FFWidth: n(), Gated: r.IntN(2) == 0, Experts: 8, TopK: 2, TP: 1, Ranks: ranks(), Cache: cache, Launch: maybe("graph")}
	}
	m := MoELayer{Kernel: []string{"layer", "experts"}[r.IntN(2)], Type: dtype, Tokens: n(), Hidden: n(), Intermediate: n(), Experts: 16, TopK: 2,
		Gated: r.IntN(2) == 0, TP: ranks(), EP: 1 << r.IntN(3), Ranks: ranks(), Cache: cache, Format: maybe("int4_wo")}
	m.Routing.Rule = RoutingRules[r.IntN(len(RoutingRules))]
	switch m.Routing.Rule {
	case RouteZipf, RoutePowerLaw:
		m.Routing.Exponent = r.Float64()
	case RouteTrace:
		m.Routing.TraceSHA256 = "0123456789abcdef"
	}
	m.Routing.Seed = []uint64{0, 1, math.MaxUint64}[r.IntN(3)]
	return m
}

// fillRandom sets every field below v that it can, some to zero.
func fillRandom(r *rand.Rand, v reflect.Value) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillRandom(r, v.Field(i))
		}
	case reflect.Int64:
		v.SetInt(r.Int64N(1 << 40))
	case reflect.Float64:
		v.SetFloat(r.NormFloat64())
	case reflect.String:
		v.SetString([]string{"a", "β-ray", "it's, \"quoted\"\n", "performance", "<&>\x00"}[r.IntN(5)])
	case reflect.Slice:
		s := reflect.MakeSlice(v.Type(), 1+r.IntN(4), 5)
		for i := range s.Len() {
			if e := s.Index(i); e.Kind() == reflect.Float64 {
				e.SetFloat(r.ExpFloat64())
			} else {
				e.SetString([]string{"", "drift", "shared"}[r.IntN(3)])
			}
		}
		v.Set(s)
	default:
		panic("a kind that rows have not had: " + v.Kind().String())
	}
}

// randomRows draws n rows of every type, with every field of a measurement.
func randomRows(seed uint64, n int) []Row {
	r := rand.New(rand.NewPCG(seed, 0))
	rows := make([]Row, n)
	for i := range rows {
		row := &rows[i]
		row.Workload = randomWorkload(r)
		row.DeviceID = "host"
		row.DeviceUUID = []string{"", "GPU-0b1a", "GPU-77c2"}[r.IntN(3)]
		fillRandom(r, reflect.ValueOf(&row.Measurement).Elem())
		row.Measurement.Source = []Source{SourceMeasured, SourceImported, SourceSimulated}[r.IntN(3)]
		row.Measurement.Verdict = []Verdict{OK, Flagged, Failed, Skipped}[r.IntN(4)]
		if r.IntN(8) == 0 {
			row.Measurement.MaxRelError = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)}[r.IntN(4)]
		}
		for _, t := range Tiers {
			switch r.IntN(4) {
			case 0:
				row.Predictions = append(row.Predictions, Prediction{Tier: t, NotPredicted: "no datasheet bandwidth"})
			case 1:
				row.Predictions = append(row.Predictions, Prediction{Tier: t, Seconds: r.Float64(), Rule: "max", Binds: "memory",
					LowS: r.Float64(), HighS: r.Float64(), Machine: "h100-sxm", Stack: "cublas-12",
					Terms: []Term{{"compute", r.Float64()}, {"memory", r.Float64()}}})
			case 2:
				row.Predictions = append(row.Predictions, Prediction{Tier: t}) // zero seconds, but predicted
			}
		}
	}
	return rows
}

// sameRows compares rows, NaN being equal to itself, and an empty list to none.
func sameRows(a, b []Row) (int, bool) {
	if len(a) != len(b) {
		return -1, false
	}
	for i := range a {
		if !same(reflect.ValueOf(a[i]), reflect.ValueOf(b[i])) {
			return i, false
		}
	}
	return 0, true
}

func same(a, b reflect.Value) bool {
	if a.Kind() != b.Kind() || a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float()) || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	case reflect.Interface:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	}
	return a.Interface() == b.Interface()
}
