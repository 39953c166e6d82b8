package reports

import (
	"bytes"
	"go/constant"
	"go/token"
	"go/types"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"bench/datasets"
)

// evaluate works out what a reader would: numbers, + - × / ( ), floor and sqrt.
func evaluate(t *testing.T, expression string) float64 {
	t.Helper()
	for {
		m := regexp.MustCompile(`(sqrt|floor)\(`).FindAllStringSubmatchIndex(expression, -1)
		if m == nil {
			break
		}
		last := m[len(m)-1] // the innermost
		depth, end := 1, last[1]
		for ; depth > 0; end++ {
			depth += strings.Count(expression[end:end+1], "(") - strings.Count(expression[end:end+1], ")")
		}
		f := math.Sqrt
		if expression[last[2]:last[3]] == "floor" {
			f = math.Floor
		}
		value := f(evaluate(t, expression[last[1]:end-1]))
		expression = expression[:last[0]] + strconv.FormatFloat(value, 'g', -1, 64) + expression[end:]
	}
	// A whole number would divide as one.
	expression = regexp.MustCompile(`\d+(\.\d+)?(e[-+]?\d+)?`).ReplaceAllStringFunc(strings.ReplaceAll(expression, "×", "*"), func(n string) string {
		if strings.ContainsAny(n, ".e") {
			return n
		}
		return n + ".0"
	})
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expression)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	f, _ := constant.Float64Val(v.Value)
	return f
}

// Every formula, worked out, gives what the workload says of itself.
func TestArithmeticIsWhatItSays(t *testing.T) {
	var workloads []datasets.Workload
	for _, row := range sample().Rows {
		workloads = append(workloads, row.Row.Workload)
	}
	workloads = append(workloads,
		datasets.GEMM{Kernel: "matmul", Type: datasets.FP8, M: 3, N: 5, K: 7, Ranks: 1, Cache: datasets.Cold},
		datasets.GEMM{Kernel: "peak", Type: datasets.INT8, Ops: 1 << 40, Ranks: 2},
		datasets.Stream{Kernel: "softmax", Type: datasets.BF16, SizeBytes: 4096, Rows: 32, Cols: 32, Ranks: 1},
		datasets.Stream{Kernel: "peer", Type: datasets.FP32, SizeBytes: 4096, Ranks: 2},
		datasets.Collective{Kind: "reduce_scatter", Type: datasets.FP16, SizeBytes: 1200, Ranks: 3, Nodes: 1},
		datasets.Collective{Kind: "broadcast", Type: datasets.FP16, SizeBytes: 1200, Ranks: 3, Nodes: 1},
		datasets.Attention{Type: datasets.BF16, KVType: datasets.FP8, Batch: 3, QueryTokens: 7, ContextTokens: 11, Heads: 8, KVHeads: 2, HeadDim: 64, Ranks: 1},
		datasets.DecodeLayer{Model: "m", Type: datasets.BF16, Batch: 3, ContextTokens: 100, Hidden: 64, Heads: 8, KVHeads: 2, HeadDim: 8, FFWidth: 128, Experts: 8, TopK: 2, TP: 4, Ranks: 4, Cache: datasets.Cold},
		datasets.MoELayer{Kernel: "experts", Type: datasets.FP8, Tokens: 5, Hidden: 64, Intermediate: 128, Experts: 8, TopK: 2, Gated: true, TP: 2, EP: 4, Ranks: 1, Routing: datasets.Routing{Rule: datasets.RouteBalanced}},
		datasets.MoELayer{Kernel: "layer", Type: datasets.BF16, Tokens: 5, Hidden: 64, Intermediate: 128, Experts: 8, TopK: 2, TP: 2, EP: 1, Ranks: 2, Routing: datasets.Routing{Rule: datasets.RouteUniform}})
	seen := 0
	for _, w := range workloads {
		for _, f := range append(arithmeticOf(w), ratesOf(w, 0.0123)...) {
			seen++
			if got := evaluate(t, f.numbers); math.Abs(got/f.value-1) > 1e-12 {
				t.Errorf("%s: %s = %g, not %g", w.Key(), f.numbers, got, f.value)
			}
		}
	}
	if seen < 60 {
		t.Errorf("%d formulas were worked out", seen)
	}
}

// explained is a page's labelled lines, each joined to one: the first of a label.
func explained(t *testing.T, page string) map[string]string {
	t.Helper()
	out := map[string]string{}
	label := ""
	for l := range strings.Lines(page) {
		l = strings.TrimRight(l, "\n")
		if n := utf8.RuneCountInString(l); n > explainWidth {
			t.Errorf("a line of %d columns: %s", n, l)
		}
		if utf8.RuneCountInString(l) <= explainLabel+2 || !strings.HasPrefix(l, "  ") {
			continue
		}
		r := []rune(l)
		if name := strings.TrimSpace(string(r[2 : explainLabel+2])); name != "" {
			if label = name; out[label] != "" {
				label = "more " + label
			}
		}
		out[label] = strings.TrimSpace(out[label] + " " + string(r[explainLabel+2:]))
	}
	return out
}

// leastRank is l of Conover's interval by exact whole numbers: the greatest l for
// which 2·P(B ≤ l−1) is at most 5 %.
func leastRank(n int) int {
	all := new(big.Int).Lsh(big.NewInt(1), uint(n))
	sum, l := new(big.Int), 0
	for {
		sum.Add(sum, new(big.Int).Binomial(int64(n), int64(l)))
		if new(big.Int).Mul(sum, big.NewInt(40)).Cmp(all) > 0 {
			return l
		}
		l++
	}
}

// A reader who takes a recorded case's samples and the page can redo every number
// on it: ranks, interval, half width, rate and error.
func TestExplainCanBeRedone(t *testing.T) {
	runs, err := (&datasets.Scanner{}).Runs([]string{"gate/testdata/nights/20261125T011359Z-41b2.parquet"})
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(runs, datasets.Tiers, Catalogue(nil))
	if err != nil {
		t.Fatal(err)
	}
	redone, errorsSeen := 0, 0
	for i := range r.Rows {
		j := &r.Rows[i]
		m := &j.Row.Measurement
		if len(m.SamplesS) == 0 {
			continue
		}
		var b bytes.Buffer
		if err := Explain(&b, r, j.Key); err != nil {
			t.Fatal(err)
		}
		page := explained(t, b.String())
		check := func(what string, got, want, within float64) {
			t.Helper()
			if got != want && !(math.Abs(got/want-1) <= within) {
				t.Errorf("%s: %s is %g, and redone %g", j.Key, what, got, want)
			}
		}
		number := func(label, pattern string) float64 {
			t.Helper()
			found := regexp.MustCompile(pattern).FindStringSubmatch(page[label])
			if found == nil {
				t.Fatalf("%s: no %s in %q", j.Key, pattern, page[label])
			}
			v, err := strconv.ParseFloat(strings.ReplaceAll(found[1], ",", ""), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		s := slices.Sorted(slices.Values(m.SamplesS))
		n := len(s)
		const sixth = 5.1e-6 // six digits are printed
		check("count", number("count", `^([\d,]+)`), float64(n), 0)
		check("least", number("least", `^(\S+) s`), s[0], sixth)
		check("greatest", number("greatest", `^(\S+) s`), s[n-1], sixth)
		first, last := "the first", "the last"
		if page["in order"] != "" { // all of a few
			first, last = "in order", "in order"
		}
		check("first", number(first, `^(\S+)`), m.SamplesS[0], sixth)
		check("last", number(last, `(\S+)$`), m.SamplesS[n-1], sixth)
		check("figure", number("figure", `^(\S+) s`), m.TimeS, sixth)
		check("figure", number("figure", `^(\S+) s`), (s[(n-1)/2]+s[n/2])/2, sixth)
		if l := leastRank(n); l > 0 {
			check("rank", number("ranks", `the (\d+)\w+ smallest`), float64(l), 0)
		} else if !strings.HasPrefix(page["ranks"], "none") {
			t.Errorf("%s: ranks of %d samples: %s", j.Key, n, page["ranks"])
		}
		if page["widened"] != "" {
			step, rank, _ := strings.Cut(page["widened"], " = ")
			l, err := strconv.Atoi(rank)
			if err != nil || float64(l) != evaluate(t, step) {
				t.Errorf("%s: %s is %g", j.Key, page["widened"], evaluate(t, step))
			}
			check("low", number("interval", `smallest, (\S+) s`), s[l-1], sixth)
			check("high", number("interval", `greatest, (\S+) s`), s[n-l], sixth)
		}
		half, says, _ := strings.Cut(page["half width"], " = ")
		if Percent(evaluate(t, half)) != says {
			t.Errorf("%s: half width %s", j.Key, page["half width"])
		}
		if page["bandwidth"] != "" {
			rate, _, _ := strings.Cut(page["bandwidth"], " = ")
			check("bandwidth", evaluate(t, rate), j.Row.Workload.Bytes()/m.TimeS, 1e-12)
		}
		if page["error"] != "" {
			errorsSeen++
			e, says, _ := strings.Cut(page["error"], " = ")
			if SignedPercent(evaluate(t, e)) != says {
				t.Errorf("%s: error %s", j.Key, page["error"])
			}
		}
		redone++
	}
	if redone < 15 || errorsSeen < 4 {
		t.Errorf("%d cases were redone, %d of them with an error", redone, errorsSeen)
	}
}
