package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"bench/datasets"
)

// formula is how a number follows from others: what it is in words, with the
// numbers put in, and what comes out, in the base unit.
type formula struct {
	name, words, numbers string
	value                float64
	unit                 string
}

// arithmeticOf is a workload's FLOP, bytes and bytes sent, as its type in datasets
// defines them; of what is 0 there is none.
func arithmeticOf(w datasets.Workload) []formula {
	flop, bytes, wire := formulasOf(w)
	out := []formula{{"arithmetic", flop[0], flop[1], w.FLOPs(), "FLOP"}, {"traffic", bytes[0], bytes[1], w.Bytes(), "bytes"},
		{"sent by a rank", wire[0], wire[1], w.WireBytes(), "bytes"}}
	kept := out[:0]
	for _, f := range out {
		if f.value > 0 {
			kept = append(kept, f)
		}
	}
	return kept
}

// formulasOf gives each formula in words and in numbers. × and / are the signs.
func formulasOf(w datasets.Workload) (flop, bytes, wire [2]string) {
	say := func(words, numbers string, args ...any) [2]string {
		return [2]string{words, fmt.Sprintf(numbers, args...)}
	}
	size, outSize := w.DType().Size(), w.DType().OutSize()
	switch w := w.(type) {
	case datasets.Stream:
		reads, writes := w.Arrays()
		if n := float64(w.SizeBytes) / size; w.FLOPs() > 0 {
			each := w.FLOPs() / n
			flop = say("elements of the working set × FLOP each (those of an element of a result, over its arrays)", "%d / %s × %s", w.SizeBytes, num(size), num(each))
		}
		bytes = say(fmt.Sprintf("the working set, each of %d arrays read and %d written once", reads, writes), "%d", int64(w.Bytes()))
		wire = say("the half that is read", "%d / 2", w.SizeBytes)
	case datasets.GEMM:
		flop = say("2·m·n·k", "2 × %d × %d × %d", w.M, w.N, w.K)
		if w.Kernel == "peak" {
			flop = say("multiply-adds in registers, counted", "%d", w.Ops)
		}
		bytes = say("(m·k + k·n) × bytes of an operand + m·n × bytes of a result", "(%d × %d + %d × %d) × %s + %d × %d × %s", w.M, w.K, w.K, w.N, num(size), w.M, w.N, num(outSize))
	case datasets.Collective:
		flop = say("elements × (ranks − 1)", "%d / %s × (%d - 1)", w.SizeBytes, num(size), w.Ranks)
		bytes = say("every buffer read and written once, on all ranks", "%s × %d", num(w.Bytes()/float64(w.SizeBytes)), w.SizeBytes)
		wire = say("size × the bus factor of nccl-tests", "%s × %d", num(w.BusFactor()), w.SizeBytes)
	case datasets.Attention:
		q, c := w.QueryTokens, w.ContextTokens
		flop = say("4 × batch × heads × head size × attended pairs of a head", "4 × %d × %d × %d × (%d × (%d - %d) + %d × (%d + 1) / 2)", w.Batch, w.Heads, w.HeadDim, q, c, q, q, q)
		bytes = say("Q read and O written + keys and values read", "2 × %d × %d × %d × %d × %s + %s", w.Batch, q, w.Heads, w.HeadDim, num(size), num(w.KVBytes()))
	case datasets.DecodeLayer:
		router := int64(0)
		if w.Experts > 1 {
			router = w.Hidden * w.Experts
		}
		a := w.Attention()
		flop = say("2 × batch × (attention's weights + top-k × an expert's + the router's) + attention's", "2 × %d × (%s + %d × %s + %d) + %s",
			w.Batch, num(w.AttentionWeights()), w.TopK, num(w.ExpertWeights()), router, num(a.FLOPs()))
		bytes = say("weights awake × bytes + the KV cache + tokens in and out", "(%s + %s × %s) × %s + %s + 2 × %d × %d × %s",
			num(w.AttentionWeights()), num(w.Awake()), num(w.ExpertWeights()), num(size), num(a.KVBytes()), w.Batch, w.Hidden, num(size))
		wire = say("two ring all-reduces of the activations: 2 × 2(tp−1)/tp × batch × hidden × bytes", "2 × 2 × (%d - 1) / %d × %d × %d × %s", w.TP, w.TP, w.Batch, w.Hidden, num(size))
	case datasets.MoELayer:
		flop = say("2 × tokens × top-k × matrices × hidden × intermediate + the router's 2 × tokens × hidden × experts", "2 × %d × %d × %d × %d × %d + 2 × %d × %d × %d",
			w.Tokens, w.TopK, w.Matrices(), w.Hidden, w.Intermediate, w.Tokens, w.Hidden, w.Experts)
		awake := num(w.Awake())
		tokens := fmt.Sprintf("%d × %d × (%s + %s)", w.Tokens, w.Hidden, num(size), num(outSize))
		bytes = say("weights of the experts awake + the router's + tokens in and out", "%s × %s × %d + %d × %d × %s + %s",
			awake, num(w.ExpertBytes()), max(w.TP, 1), w.Hidden, w.Experts, num(size), tokens)
		if w.Kernel == "experts" {
			flop = say("2 × tokens × top-k × matrices × hidden × intermediate / (tp × ep)", "2 × %d × %d × %d × %d × %d / (%d × %d)",
				w.Tokens, w.TopK, w.Matrices(), w.Hidden, w.Intermediate, max(w.TP, 1), max(w.EP, 1))
			bytes = say("weights of the experts awake on a rank + tokens in and out", "%s / %d × %s + %s", awake, max(w.EP, 1), num(w.ExpertBytes()), tokens)
		}
	default:
		flop, bytes, wire = say("as "+strings.TrimPrefix(fmt.Sprintf("%T", w), "datasets.")+" defines it", "%s", num(w.FLOPs())), say("likewise", "%s", num(w.Bytes())), say("likewise", "%s", num(w.WireBytes()))
	}
	return flop, bytes, wire
}

// ratesOf are the rates that a report shows, from the time measured.
func ratesOf(w datasets.Workload, seconds float64) []formula {
	var out []formula
	rate := func(name, words string, amount, rate float64, unit string) {
		if rate > 0 {
			out = append(out, formula{name, words, fmt.Sprintf("%s / %s", num(amount), num(seconds)), rate, unit})
		}
	}
	r := datasets.RatesOf(w, seconds)
	rate("arithmetic", "FLOP over time", w.FLOPs(), r.FLOPPerS, "FLOP/s")
	rate("bandwidth", "bytes over time", w.Bytes(), r.BandwidthBytesPerS, "bytes/s")
	rate("throughput", "tokens over time", datasets.TokensOf(w), r.TokensPerS, "tokens/s")
	if c, ok := w.(datasets.Collective); ok {
		rate("algorithm", "size over time", float64(c.SizeBytes), r.AlgorithmBytesPerS, "bytes/s")
		rate("bus", "size × bus factor over time", c.WireBytes(), r.BusBytesPerS, "bytes/s")
	}
	return out
}

// num writes a number whole, as it was computed with.
func num(v float64) string {
	if a := math.Abs(v); a >= 1 && a < 1e15 || a == 0 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// inUnit writes a value of a base unit as reports do.
func inUnit(v float64, unit string) string {
	switch unit {
	case "FLOP":
		return FLOPs(v)
	case "bytes":
		return Bytes(v)
	case "bytes/s":
		return BytesPerSecond(v)
	case "FLOP/s":
		return FLOPsPerSecond(v)
	case "s":
		return Seconds(v)
	}
	return strings.TrimSpace(PerSecond(v) + " " + unit)
}
