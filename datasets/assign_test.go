package datasets

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAssignEveryRule(t *testing.T) {
	trace := make([]int32, 512*8)
	for i := range trace {
		trace[i] = int32(i % 8)
	}
	for _, rule := range RoutingRules {
		for _, shape := range [][3]int64{{1, 8, 1}, {7, 8, 2}, {256, 16, 2}, {512, 128, 8}, {33, 64, 8}, {5, 8, 8}, {4096, 8, 1}, {1, 1, 1}} {
			r := Routing{Rule: rule, Seed: 7}
			if rule == RouteZipf || rule == RoutePowerLaw {
				r.Exponent = 1.2
			}
			if rule == RouteTrace {
				if shape[2] != 8 {
					continue
				}
				r.Trace = trace
			}
			tokens, experts, topK := shape[0], shape[1], shape[2]
			a, err := r.Assign(tokens, experts, topK)
			if err != nil {
				t.Fatalf("%s %v: %v", rule, shape, err)
			}
			if int64(len(a)) != tokens*topK {
				t.Fatalf("%s %v: %d choices", rule, shape, len(a))
			}
			for i := int64(0); i < tokens; i++ {
				if err := checkChoices(a[i*topK:(i+1)*topK], experts); err != nil {
					t.Fatalf("%s %v: token %d: %v", rule, shape, i, err)
				}
			}
			if again, _ := r.Assign(tokens, experts, topK); !slices.Equal(a, again) {
				t.Errorf("%s %v: not reproducible", rule, shape)
			}
			loads := Loads(a, experts)
			sum := int64(0)
			for _, n := range loads {
				sum += n
			}
			if sum != tokens*topK {
				t.Errorf("%s %v: loads sum to %d", rule, shape, sum)
			}
			if s := SummarizeLoads(loads); rule == RouteBalanced && s.Max-slices.Min(loads) > 1 {
				t.Errorf("%v: balanced loads %v", shape, loads)
			} else if rule == RouteAllOnOne && (s.Active != topK || s.Max != tokens) {
				t.Errorf("%v: all-on-one loads %v", shape, loads)
			}
		}
	}
}

// One hot expert: half of all tokens by rule, and of the other half a uniform
// top-1 choice reaches it once in 16: 2048 + 2048/16 = 2176, with a standard
// deviation of √(2048 · 1/16 · 15/16) = 11.
func TestOneHotLoad(t *testing.T) {
	a, err := Routing{Rule: RouteOneHot, Seed: 1}.Assign(4096, 16, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := Loads(a, 16)[0]; n < 2176-55 || n > 2176+55 {
		t.Errorf("expert 0 has %d tokens, expected 2176 ± 55", n)
	}
}

// Zipf with exponent 1 over 4 experts: weights 1, 1/2, 1/3, 1/4 of 25/12, so
// top-1 shares of 0.48, 0.24, 0.16, 0.12. Of two draws without replacement the
// chance that expert 0 is among them is 0.48 + Σ w_i · 0.48/(1 − w_i) =
// 0.48 + 0.24·0.48/0.76 + 0.16·0.48/0.84 + 0.12·0.48/0.88 = 0.78846.
func TestZipfShares(t *testing.T) {
	const tokens = 100_000
	a, err := Routing{Rule: RouteZipf, Exponent: 1, Seed: 3}.Assign(tokens, 4, 1)
	if err != nil {
		t.Fatal(err)
	}
	for e, n := range Loads(a, 4) {
		if want := []float64{0.48, 0.24, 0.16, 0.12}[e]; math.Abs(float64(n)/tokens-want) > 0.008 {
			t.Errorf("expert %d has a share of %g, expected %g", e, float64(n)/tokens, want)
		}
	}
	a, _ = Routing{Rule: RouteZipf, Exponent: 1, Seed: 3}.Assign(tokens, 4, 2)
	if p := float64(Loads(a, 4)[0]) / tokens; math.Abs(p-0.78846) > 0.008 {
		t.Errorf("expert 0 is chosen by %g of the tokens, expected 0.788", p)
	}
	// Weights that underflow leave the order of the experts.
	a, _ = Routing{Rule: RouteZipf, Exponent: 100, Seed: 3}.Assign(1, 2000, 2)
	if !slices.Equal(a, []int32{0, 1}) {
		t.Errorf("steep Zipf chose %v", a)
	}
}

// The first two choices must be in order of the draw, so that a uniform first
// choice falls on every expert alike: 10,000 tokens over 8 experts is 1250
// each, standard deviation 33.
func TestUniformShares(t *testing.T) {
	a, _ := Routing{Rule: RouteUniform, Seed: 5}.Assign(10_000, 8, 2)
	first := make([]int32, 0, 10_000)
	for i := 0; i < len(a); i += 2 {
		first = append(first, a[i])
	}
	for e, n := range Loads(first, 8) {
		if n < 1250-165 || n > 1250+165 {
			t.Errorf("expert %d is first choice of %d tokens, expected 1250 ± 165", e, n)
		}
	}
	other, _ := Routing{Rule: RouteUniform, Seed: 6}.Assign(10_000, 8, 2)
	if slices.Equal(a, other) {
		t.Error("two seeds gave one assignment")
	}
}

// A steeper power law has fewer large loads among many small ones, so after
// scaling its largest lies further above the mean.
func TestPowerLaw(t *testing.T) {
	worst := func(exponent float64) float64 {
		sum := 0.0
		for seed := range uint64(50) {
			loads := PowerLawLoads(Routing{Seed: seed}.random(), exponent, 1024, 64, 2)
			if slices.Max(loads) > 1024 || slices.Min(loads) < 0 {
				t.Fatalf("loads out of bounds: %v", loads)
			}
			sum += SummarizeLoads(loads).Imbalance
		}
		return sum / 50
	}
	if a, b := worst(0), worst(1.2); a > 2.2 || b < 2*a {
		t.Errorf("imbalance %g at exponent 0 and %g at 1.2", a, b)
	}
	// Top-4 of 4 experts: the bound of one choice a token makes all equal.
	if loads := PowerLawLoads(Routing{}.random(), 1.2, 10, 4, 4); !slices.Equal(loads, []int64{10, 10, 10, 10}) {
		t.Errorf("bounded loads %v", loads)
	}
	// All draws but one of 2 tokens for top-8 of 256 round to 0, and the 15 choices
	// that are left go to the first experts, neighbours, not to the largest draws.
	if loads := PowerLawLoads(Routing{}.random(), 1.2, 2, 256, 8); slices.Min(loads[:15]) != 1 || slices.Max(loads) != 1 {
		t.Errorf("loads of rounding alone: %v", loads)
	}
}

func TestAssignRefuses(t *testing.T) {
	for _, c := range []struct {
		r                     Routing
		tokens, experts, topK int64
		want                  string
	}{
		{Routing{Rule: "random"}, 1, 8, 1, `unknown routing "random": use one of [balanced `},
		{Routing{Rule: RouteUniform}, 0, 8, 1, "tokens is 0, and must be at least 1"},
		{Routing{Rule: RouteUniform}, 1, 8, 9, "top-9 of 8 experts"},
		{Routing{Rule: RouteUniform}, 1 << 40, 8, 2, "too large"},
		{Routing{Rule: RouteUniform, Exponent: 1}, 1, 8, 1, "takes no exponent"},
		{Routing{Rule: RouteZipf, Exponent: math.NaN()}, 1, 8, 1, "exponent is NaN"},
		{Routing{Rule: RouteTrace, TraceSHA256: "abcdef"}, 1, 8, 1, "not at hand, only their checksum abcdef"},
		{Routing{Rule: RouteTrace, Trace: []int32{1, 2}}, 2, 8, 2, "holds 2 choices"},
		{Routing{Rule: RouteTrace, Trace: []int32{1, 9}}, 1, 8, 2, "token 0: expert 9 is not among 0 … 7"},
		{Routing{Rule: RouteTrace, Trace: []int32{1, 1}}, 1, 8, 2, "token 0: expert 1 is chosen twice"},
	} {
		_, err := c.r.Assign(c.tokens, c.experts, c.topK)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.r, err, c.want)
		}
	}
}

// 8 experts over 4 ranks, two each: 1+2, 3+4, 5+6, 7+8. The mean is 36/4 = 9,
// the most loaded has 15, so the imbalance is 15/9.
func TestRankLoads(t *testing.T) {
	ranks := RankLoads([]int64{1, 2, 3, 4, 5, 6, 7, 8}, 4)
	if !slices.Equal(ranks, []int64{3, 7, 11, 15}) {
		t.Errorf("rank loads %v", ranks)
	}
	if s := SummarizeLoads(ranks); s != (LoadSummary{4, 15, 9, 15.0 / 9}) {
		t.Errorf("summary %+v", s)
	}
	if s := SummarizeLoads([]int64{0, 0}); s != (LoadSummary{}) {
		t.Errorf("idle summary %+v", s)
	}
}

func TestTraceRoundTrip(t *testing.T) {
	in := "# from a run\r\nbench-routing 1 experts=8 top_k=2\n\n0 3\n5 1\r\n"
	tr, err := ReadTrace(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(in))
	if tr.Tokens() != 2 || !slices.Equal(tr.Choices, []int32{0, 3, 5, 1}) || tr.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("read %+v", tr)
	}
	if a, err := tr.Routing().Assign(2, 8, 2); err != nil || !slices.Equal(a, tr.Choices) {
		t.Errorf("replayed %v, %v", a, err)
	}
	var b bytes.Buffer
	if _, err := tr.WriteTo(&b); err != nil || b.String() != "bench-routing 1 experts=8 top_k=2\n0 3\n5 1\n" {
		t.Errorf("wrote %q, %v", b.String(), err)
	}
}

func TestTraceRefuses(t *testing.T) {
	h := "bench-routing 1 experts=8 top_k=2\n"
	for text, want := range map[string]string{
		"":                                  "no routing trace",
		"hello\n":                           `line 1: "hello" is no header`,
		"bench-routing 2 experts=8 top_k=2": "line 1: version 2 of the format is not known",
		"bench-routing 1 experts=8":         "line 1: ",
		"bench-routing 1 experts=8 top_k=9": "line 1: top_k is 9, and must lie between 1 and 8",
		"bench-routing 1 experts=8 top_k=2 seed=4\n0 1\n": "line 1: ",
		"bench-routing 1 experts=99999999999 top_k=2":     "line 1: experts is 99999999999",
		h:                               "holds no tokens",
		h + "0 1\n0\n":                  "line 3: 2 experts are needed, and there are 1",
		h + "0 1 2\n":                   "line 2: 2 experts are needed, and there are more",
		h + "0 8\n":                     "line 2: expert 8 is not among 0 … 7",
		h + "3 3\n":                     "line 2: expert 3 is chosen twice",
		h + "0  1\n":                    `line 2: "" is not an expert's number`,
		h + "0,1\n":                     `line 2: "0,1" is not an expert's number`,
		h + "0 -1\n":                    "line 2: expert -1 is not among",
		h + strings.Repeat("1 ", 20000): "line 2: too long",
	} {
		if _, err := ReadTrace(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", text, err, want)
		}
	}
}

func FuzzReadTrace(f *testing.F) {
	f.Add([]byte("bench-routing 1 experts=8 top_k=2\n0 3\n5 1\n"))
	f.Add([]byte("# x\nbench-routing 1 experts=65536 top_k=1024\n0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, err := ReadTrace(bytes.NewReader(b))
		if err != nil {
			return
		}
		// Each choice takes a digit and a separator, so memory is bounded.
		if 2*len(tr.Choices) > len(b) {
			t.Fatalf("%d choices out of %d bytes", len(tr.Choices), len(b))
		}
		var out bytes.Buffer
		tr.WriteTo(&out)
		again, err := ReadTrace(&out)
		if err != nil {
			t.Fatal(err)
		}
		if again.SHA256 = tr.SHA256; !reflect.DeepEqual(tr, again) {
			t.Fatalf("%+v became %+v", tr, again)
		}
	})
}
