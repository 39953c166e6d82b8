package datasets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// Known answers, each worked in its comment.
func TestArithmetic(t *testing.T) {
	const KiB = 1 << 10
	for _, c := range []struct {
		w                 Workload
		flops, bytes, out float64
	}{
		// 3 arrays of 1 KiB, 128 doubles each; 2 FLOP an element.
		{Stream{Kernel: "triad", Type: FP64, SizeBytes: 3 * KiB, Ranks: 1}, 256, 3072, 0},
		{Stream{Kernel: "read", Type: FP32, SizeBytes: KiB, Ranks: 2}, 256, 1024, 0},
		{Stream{Kernel: "copy", Type: FP32, SizeBytes: KiB, Ranks: 2}, 0, 1024, 0},
		// A dependent load is 8 bytes, however large the working set.
		{Stream{Kernel: "latency", Type: I64, SizeBytes: KiB, Ranks: 1}, 0, 8, 0},
		{Stream{Kernel: "launch", Ranks: 2}, 0, 0, 0},
		// Half of the working set is the source, and crosses the link.
		{Stream{Kernel: "peer", Type: FP32, SizeBytes: KiB, Ranks: 2}, 0, 1024, 512},
		// 4·5·6 multiply-adds; (4·6 + 6·5 + 4·5)·8 bytes.
		{GEMM{Kernel: "matmul", Type: FP64, M: 4, N: 5, K: 6, Ranks: 1}, 240, 592, 0},
		// int8: 4·6 + 6·5 bytes in, 4·5 int32 out. fp8: 20 16-bit results.
		{GEMM{Kernel: "matmul", Type: INT8, M: 4, N: 5, K: 6, Ranks: 1}, 240, 54 + 80, 0},
		{GEMM{Kernel: "matmul", Type: FP8, M: 4, N: 5, K: 6, Ranks: 1}, 240, 54 + 40, 0},
		{GEMM{Kernel: "peak", Type: FP32, Ops: 1e6, Ranks: 2}, 1e6, 0, 0},
		// 1 KiB of fp32 on 4 ranks: 3 additions for each of 256 elements; each
		// rank reads and writes 1 KiB; a ring sends 2·3/4 KiB.
		{Collective{Kind: "all_reduce", Type: FP32, SizeBytes: KiB, Ranks: 4, Nodes: 1}, 768, 8192, 1536},
		// Each of 4 ranks reads its quarter and writes the whole.
		{Collective{Kind: "all_gather", Type: FP32, SizeBytes: KiB, Ranks: 4, Nodes: 1}, 0, 1024 + 4096, 768},
		{Collective{Kind: "reduce_scatter", Type: FP32, SizeBytes: KiB, Ranks: 4, Nodes: 1}, 768, 1024 + 4096, 768},
		{Collective{Kind: "all_to_all", Type: FP32, SizeBytes: KiB, Ranks: 4, Nodes: 1}, 0, 8192, 768},
		// The root reads, the other 3 write.
		{Collective{Kind: "broadcast", Type: FP32, SizeBytes: KiB, Ranks: 4, Nodes: 1}, 0, 4096, 1024},
		{Collective{Kind: "send_recv", Type: FP32, SizeBytes: KiB, Ranks: 2, Nodes: 1}, 0, 2048, 1024},
		// Decoding: 2 sequences, 8 heads of 16, a context of 10: 4·2·8·16·10.
		// Q and O 2·2·8·16·2 bytes, K and V 2·2·10·2·16·2 bytes.
		{Attention{Type: FP16, Batch: 2, QueryTokens: 1, ContextTokens: 10, Heads: 8, KVHeads: 2, HeadDim: 16, Ranks: 1}, 10240, 1024 + 2560, 0},
		// The same cache in fp8 is half as large.
		{Attention{Type: FP16, KVType: FP8, Batch: 2, QueryTokens: 1, ContextTokens: 10, Heads: 8, KVHeads: 2, HeadDim: 16, Ranks: 1}, 10240, 1024 + 1280, 0},
		// A whole prompt of 4: the causal triangle has 10 pairs; 4·10·1·1·2.
		{Attention{Type: FP32, Batch: 1, QueryTokens: 4, ContextTokens: 4, Heads: 1, KVHeads: 1, HeadDim: 2, Ranks: 1}, 80, 2*4*2*4 + 2*4*2*4, 0},
		// 2 new tokens after 3: each sees those 3, and 1 and 2 of the new: 9.
		{Attention{Type: FP32, Batch: 1, QueryTokens: 2, ContextTokens: 5, Heads: 1, KVHeads: 1, HeadDim: 1, Ranks: 1}, 36, 2*2*4 + 2*5*4, 0},
		// A window of 3 after 3: positions 4 and 5 see 3 each: 4·6. Tokens 2 to 5
		// are read: 2·4 elements.
		{Attention{Type: FP32, Batch: 1, QueryTokens: 2, ContextTokens: 5, Heads: 1, KVHeads: 1, HeadDim: 1, Window: 3, Ranks: 1}, 24, 2*2*4 + 2*4*4, 0},
		// A whole prompt of 5 with a window of 3: 1 + 2 + 3 + 3 + 3 pairs.
		{Attention{Type: FP32, Batch: 1, QueryTokens: 5, ContextTokens: 5, Heads: 1, KVHeads: 1, HeadDim: 1, Window: 3, Ranks: 1}, 48, 2*5*4 + 2*5*4, 0},
		// A window as long as the context is none; one token sees its last 4.
		{Attention{Type: FP32, Batch: 1, QueryTokens: 2, ContextTokens: 5, Heads: 1, KVHeads: 1, HeadDim: 1, Window: 5, Ranks: 1}, 36, 2*2*4 + 2*5*4, 0},
		{Attention{Type: FP32, Batch: 1, QueryTokens: 1, ContextTokens: 9, Heads: 1, KVHeads: 1, HeadDim: 1, Window: 4, Ranks: 1}, 16, 2*4 + 2*4*4, 0},
		// Absorbed latent attention: 2·(576 + 512)·16 heads·10 pairs; Q of 576 and
		// O of 512 a head; the latent is read once, 576 elements in fp8.
		{Attention{Type: BF16, KVType: FP8, Batch: 1, QueryTokens: 1, ContextTokens: 10, Heads: 16, KVHeads: 1, HeadDim: 576, ValueDim: 512, SharedDim: 512, Ranks: 1},
			348160, 16*1088*2 + 5760, 0},
		// Expanded, a prompt of 4: 2·(192 + 128)·2 heads·10 pairs; Q, K, V and O.
		{Attention{Type: BF16, Batch: 1, QueryTokens: 4, ContextTokens: 4, Heads: 2, KVHeads: 2, HeadDim: 192, ValueDim: 128, Ranks: 1},
			12800, 2 * 4 * 2 * 320 * 2, 0},
		// Weight-only: 4·256 bf16 activations, 256·8 weights of 1 byte, of half a
		// byte, and of 17/32; 4·8 results of 2. nvfp4: 9/16 a byte on both sides.
		// SmoothQuant: all of 1 byte, results of 2.
		{GEMM{Kernel: "matmul", Type: BF16, M: 4, N: 8, K: 256, Ranks: 1, Format: "int8_wo"}, 16384, 2048 + 2048 + 64, 0},
		{GEMM{Kernel: "matmul", Type: BF16, M: 4, N: 8, K: 256, Ranks: 1, Format: "int4_wo"}, 16384, 2048 + 1024 + 64, 0},
		{GEMM{Kernel: "matmul", Type: BF16, M: 4, N: 8, K: 256, Ranks: 1, Format: "w4a16_mxfp4"}, 16384, 2048 + 1088 + 64, 0},
		{GEMM{Kernel: "matmul", Type: FP4, M: 4, N: 8, K: 256, Ranks: 1, Format: "nvfp4"}, 16384, 576 + 1152 + 64, 0},
		{GEMM{Kernel: "matmul", Type: INT8, M: 4, N: 8, K: 256, Ranks: 1, Format: "sq"}, 16384, 1024 + 2048 + 64, 0},
		// fp8_block: a 4-byte scale for each 128 activations of a token, and for
		// each of the 2 blocks of 128 × 128 weights.
		{GEMM{Kernel: "matmul", Type: FP8, M: 4, N: 128, K: 256, Ranks: 1, Format: "fp8_block"}, 262144, 4*(256+8) + 128*256 + 8 + 4*128*2, 0},
		// h = 8, 4 heads of 2, 1 KV head, gated feed-forward of 16: QKV 8·12,
		// output 8·8, feed-forward 3·8·16 weights: 96 + 64 + 384 = 544. Batch 3:
		// 2·3·544 + attention 4·3·4·2·5 = 480. Bytes: 544·4, the cache
		// 2·3·5·1·2·4 = 240, tokens 2·3·8·4 = 192. Two all-reduces over 2 ranks
		// of 3·8·4 = 96 bytes: 2·(2·1/2)·96.
		{DecodeLayer{Type: FP32, Batch: 3, ContextTokens: 5, Hidden: 8, Heads: 4, KVHeads: 1, HeadDim: 2, FFWidth: 16, Gated: true,
			Experts: 1, TopK: 1, TP: 2, Ranks: 2}, 3264 + 480, 2176 + 240 + 192, 192},
		// The same with 4 experts of which 2 work, and a router of 8·4: per token
		// 160 + 2·384 + 32 weights, 2·3·960; the router is not in the bytes, and 3
		// tokens wake 4·(1 − 0.5³) = 3.5 experts.
		{DecodeLayer{Type: FP32, Batch: 3, ContextTokens: 5, Hidden: 8, Heads: 4, KVHeads: 1, HeadDim: 2, FFWidth: 16, Gated: true,
			Experts: 4, TopK: 2, TP: 1, Ranks: 1}, 5760 + 480, (160+3.5*384)*4 + 240 + 192, 0},
		// 10 tokens, top-2, two matrices of 8·16: 2·10·2·256 + router 2·10·8·4.
		// Balanced, 20 choices wake all 4 experts: 4·256·2 bytes, router 8·4·2,
		// tokens 2·10·8·2.
		{MoELayer{Kernel: "layer", Type: BF16, Tokens: 10, Hidden: 8, Intermediate: 16, Experts: 4, TopK: 2, TP: 1, EP: 1,
			Routing: Routing{Rule: RouteBalanced}, Ranks: 1}, 10240 + 640, 2048 + 64 + 320, 0},
		// Uniform routing wakes 4·(1 − 0.5¹⁰) = 3.99609375.
		{MoELayer{Kernel: "layer", Type: BF16, Tokens: 10, Hidden: 8, Intermediate: 16, Experts: 4, TopK: 2, TP: 1, EP: 1,
			Routing: Routing{Rule: RouteUniform}, Ranks: 1}, 10240 + 640, 3.99609375*512 + 64 + 320, 0},
		// One of 2 expert ranks, each expert halved: a quarter of the products;
		// 2 awake experts of 128 weights, no router.
		{MoELayer{Kernel: "experts", Type: BF16, Tokens: 10, Hidden: 8, Intermediate: 16, Experts: 4, TopK: 2, TP: 2, EP: 2,
			Routing: Routing{Rule: RouteBalanced}, Ranks: 1}, 2560, 512 + 320, 0},
		// Gated experts in int4: 3·8·16/2 bytes each, of which 2 wake.
		{MoELayer{Kernel: "experts", Type: BF16, Tokens: 10, Hidden: 8, Intermediate: 16, Experts: 4, TopK: 2, TP: 1, EP: 1, Gated: true,
			Routing: Routing{Rule: RoutePowerLaw, Exponent: 1.2}, Ranks: 1, Format: "int4_wo"}, 15360, 2*192 + 320, 0},
		{ModelPass{Model: "m", Type: FP16, WeightBytes: 1000, Parameters: 500, QueryTokens: 1, ContextTokens: 9, Ranks: 1}, 1000, 1000, 0},
	} {
		if err := c.w.Validate(); err != nil {
			t.Errorf("%s: %v", c.w.Key(), err)
		}
		if c.w.FLOPs() != c.flops || c.w.Bytes() != c.bytes || c.w.WireBytes() != c.out {
			t.Errorf("%s: %g FLOP, %g bytes, %g sent; by hand %g, %g, %g", c.w.Key(),
				c.w.FLOPs(), c.w.Bytes(), c.w.WireBytes(), c.flops, c.bytes, c.out)
		}
	}
	// A plain store first fetches its line: 1 of 3 KiB is written.
	if b := (Stream{Kernel: "triad", Type: FP64, SizeBytes: 3 * KiB}).WriteAllocateBytes(); b != 1024 {
		t.Errorf("write-allocate traffic %g", b)
	}
	if i := Intensity(GEMM{Kernel: "matmul", Type: FP64, M: 4, N: 5, K: 6}); i != 240.0/592 {
		t.Errorf("intensity %g", i)
	}
	if i := Intensity(Stream{Kernel: "launch"}); i != 0 {
		t.Errorf("intensity of nothing %g", i)
	}
}

// nccl-tests, doc/PERFORMANCE.md, for 8 ranks: all_reduce 2·7/8.
func TestBusFactor(t *testing.T) {
	for kind, want := range map[string]float64{"all_reduce": 1.75, "custom_all_reduce": 1.75, "all_gather": 0.875, "reduce_scatter": 0.875, "all_to_all": 0.875, "broadcast": 1, "send_recv": 1} {
		if got := (Collective{Kind: kind, Ranks: 8}).BusFactor(); got != want {
			t.Errorf("%s: %g, want %g", kind, got, want)
		}
	}
}

// Equal workloads have equal keys and others have others, and the columns of a
// workload give it back.
func TestKeysAndColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 0))
	seen := map[string]Workload{}
	kinds := map[string]int{}
	for range 30_000 {
		w := randomWorkload(r)
		var c cells
		w.cells(&c)
		back, err := c.workload(w.Suite())
		if err != nil || !reflect.DeepEqual(w, back) {
			t.Fatalf("%+v came back as %+v, %v", w, back, err)
		}
		key := w.Key()
		if key != back.Key() {
			t.Fatalf("two keys, %s and %s", key, back.Key())
		}
		if !strings.HasPrefix(key, fmt.Sprintf("%s/%s ", w.Suite(), w.Op())) {
			t.Errorf("key %s", key)
		}
		// A KV type that is the type itself says nothing.
		if a, ok := w.(Attention); ok && a.KVType == a.Type {
			a.KVType = ""
			w = a
		}
		if other, ok := seen[key]; ok && !reflect.DeepEqual(w, other) {
			t.Fatalf("%+v and %+v share the key %s", w, other, key)
		}
		seen[key] = w
		kind := reflect.TypeOf(w).Name()
		if w.Op() == "mla" {
			kind = "mla"
		}
		kinds[kind]++
	}
	if len(kinds) != len(operations) {
		t.Errorf("only %v were drawn", kinds)
	}
}

// Changing any one field changes the key.
func TestKeyTellsEveryFieldApart(t *testing.T) {
	for _, w := range []Workload{
		Stream{Kernel: "copy", Type: FP32, SizeBytes: 1, Ranks: 1},
		GEMM{Kernel: "matmul", Type: FP32, M: 1, N: 1, K: 1, Ranks: 1},
		Collective{Kind: "all_reduce", Type: FP32, SizeBytes: 1, Ranks: 2, Nodes: 1},
		Attention{Type: FP32, Batch: 1, QueryTokens: 1, ContextTokens: 1, Heads: 1, KVHeads: 1, HeadDim: 1, Ranks: 1},
		DecodeLayer{Type: FP32, Batch: 1, ContextTokens: 1, Hidden: 1, Heads: 1, KVHeads: 1, HeadDim: 1, FFWidth: 1, Experts: 1, TopK: 1, TP: 1, Ranks: 1},
		MoELayer{Kernel: "layer", Type: FP32, Tokens: 1, Hidden: 1, Intermediate: 1, Experts: 1, TopK: 1, TP: 1, EP: 1, Routing: Routing{Rule: RouteZipf}, Ranks: 1},
		ModelPass{Model: "m", Type: FP32, WeightBytes: 1, Parameters: 1, QueryTokens: 1, ContextTokens: 1, Ranks: 1},
		Serve{Kernel: "ttft", Type: FP32, InputTokens: 1, OutputTokens: 1, Rate: 1, TP: 1, PP: 1, DP: 1, EP: 1, ETP: 1, Ranks: 1},
	} {
		var change func(v reflect.Value, path string, key func() string)
		change = func(v reflect.Value, path string, key func() string) {
			for i := range v.NumField() {
				f, name := v.Field(i), path+"."+v.Type().Field(i).Name
				if v.Type().Field(i).Name == "_" {
					continue
				}
				old := reflect.New(f.Type()).Elem()
				old.Set(f)
				before := key()
				switch f.Kind() {
				case reflect.Struct:
					change(f, name, key)
					continue
				case reflect.String:
					f.SetString("other")
				case reflect.Int, reflect.Int64:
					f.SetInt(f.Int() + 7)
				case reflect.Uint64:
					f.SetUint(7)
				case reflect.Float64:
					f.SetFloat(0.5)
				case reflect.Bool:
					f.SetBool(true)
				case reflect.Slice:
					continue // a trace, for which its checksum stands
				}
				if key() == before {
					t.Errorf("%s is not in the key %s", name, before)
				}
				f.Set(old)
			}
		}
		v := reflect.New(reflect.TypeOf(w)).Elem()
		v.Set(reflect.ValueOf(w))
		change(v, reflect.TypeOf(w).Name(), func() string { return v.Interface().(Workload).Key() })
	}
}

// Keys are stored in files and baselines: these may never change.
func TestKeysAreStable(t *testing.T) {
	for want, w := range map[string]Workload{
		"hbm/triad fp64 bytes=3072 ranks=2":                                            Stream{Kernel: "triad", Type: FP64, SizeBytes: 3072, Ranks: 2},
		"gemm/matmul bf16 m=1 n=2 k=3 ranks=1 cache=cold":                              GEMM{Kernel: "matmul", Type: BF16, M: 1, N: 2, K: 3, Ranks: 1, Cache: Cold},
		"allreduce/all_reduce fp32 bytes=8 ranks=2 nodes=1 in_place":                   Collective{Kind: "all_reduce", Type: FP32, SizeBytes: 8, Ranks: 2, Nodes: 1, InPlace: true},
		`decode/model fp16 model="a b" bytes=1 parameters=2 query=1 context=3 ranks=1`: ModelPass{Model: "a b", Type: FP16, WeightBytes: 1, Parameters: 2, QueryTokens: 1, ContextTokens: 3, Ranks: 1},
		"moe/layer fp32 tokens=1 hidden=2 intermediate=3 experts=4 top_k=1 gated tp=1 ep=1 routing=zipf exponent=1.2 seed=5 ranks=1": MoELayer{
			Kernel: "layer", Type: FP32, Tokens: 1, Hidden: 2, Intermediate: 3, Experts: 4, TopK: 1, Gated: true, TP: 1, EP: 1,
			Routing: Routing{Rule: RouteZipf, Exponent: 1.2, Seed: 5}, Ranks: 1},
	} {
		if got := w.Key(); got != want {
			t.Errorf("key %s, was %s", got, want)
		}
	}
	// Text that looks like fields is quoted.
	if a, b := (GEMM{Kernel: "matmul", Type: FP32, M: 1, Cache: Cold}).Key(), (GEMM{Kernel: "matmul", Type: FP32, M: 1, Format: "", Cache: "cold format=x"}).Key(); a == b || !strings.Contains(b, `"cold format=x"`) {
		t.Errorf("%s, %s", a, b)
	}
}

// The halves are even, within four standard deviations of a fair coin, for keys
// that differ in one number only, and stable.
func TestSplit(t *testing.T) {
	for name, key := range map[string]func(i int) string{
		"m": func(i int) string {
			return GEMM{Kernel: "matmul", Type: BF16, M: int64(i + 1), N: 4096, K: 4096, Ranks: 1}.Key()
		},
		"bytes": func(i int) string {
			return Stream{Kernel: "copy", Type: FP64, SizeBytes: int64(i+1) << 12, Ranks: 2}.Key()
		},
		"batch": func(i int) string {
			return Attention{Type: BF16, Batch: int64(i + 1), QueryTokens: 1, ContextTokens: 128, Heads: 8, KVHeads: 8, HeadDim: 128, Ranks: 1}.Key()
		},
	} {
		const n = 4000
		fit, runs := 0, 0
		last := Split("")
		for i := range n {
			s := SplitOf(key(i))
			if s == FitHalf {
				fit++
			}
			if s != last {
				runs++
			}
			last = s
		}
		limit := 4 * math.Sqrt(n) / 2
		if math.Abs(float64(fit)-n/2) > limit || math.Abs(float64(runs)-n/2) > limit {
			t.Errorf("%s: %d of %d in the fit half, in %d runs", name, fit, n, runs)
		}
	}
	if a, b := SplitOf("gemm/matmul bf16 m=1"), SplitOf("gemm/matmul bf16 m=2"); a != FitHalf && a != TestHalf || b != FitHalf && b != TestHalf {
		t.Errorf("halves %q and %q", a, b)
	}
}

func TestValidate(t *testing.T) {
	gemm := GEMM{Kernel: "matmul", Type: BF16, M: 1, N: 1, K: 1, Ranks: 1}
	reduce := Collective{Kind: "all_reduce", Type: FP32, SizeBytes: 8, Ranks: 2, Nodes: 1}
	attention := Attention{Type: FP16, Batch: 1, QueryTokens: 1, ContextTokens: 4, Heads: 4, KVHeads: 2, HeadDim: 8, Ranks: 1}
	layer := DecodeLayer{Type: FP16, Batch: 1, ContextTokens: 4, Hidden: 8, Heads: 4, KVHeads: 2, HeadDim: 8, FFWidth: 8, Experts: 1, TopK: 1, TP: 1, Ranks: 1}
	moe := MoELayer{Kernel: "layer", Type: FP16, Tokens: 1, Hidden: 8, Intermediate: 8, Experts: 8, TopK: 2, TP: 1, EP: 2, Routing: Routing{Rule: RouteUniform}, Ranks: 1}
	for _, w := range []Workload{gemm, reduce, attention, layer, moe} {
		if err := w.Validate(); err != nil {
			t.Errorf("%s: %v", w.Key(), err)
		}
	}
	with := func(w Workload, field string, value any) Workload {
		v := reflect.New(reflect.TypeOf(w)).Elem()
		v.Set(reflect.ValueOf(w))
		f := v.FieldByName(field)
		f.Set(reflect.ValueOf(value).Convert(f.Type()))
		return v.Interface().(Workload)
	}
	for _, c := range []struct {
		w    Workload
		want string
	}{
		{Stream{Kernel: "swap", Type: FP32, SizeBytes: 1, Ranks: 1}, `hbm: unknown operation "swap": use one of add, copy, `},
		{Stream{Kernel: "copy", Type: "fp12", SizeBytes: 1, Ranks: 1}, `hbm copy: unknown data type "fp12"`},
		{Stream{Kernel: "copy", Type: FP32, Ranks: 1}, "hbm copy: size_bytes is 0, and must be at least 1"},
		{Stream{Kernel: "launch"}, "hbm launch: ranks is 0, and must be at least 1"},
		{with(gemm, "K", -3), "gemm: k is -3, and must be at least 1"},
		{with(gemm, "Kernel", "conv"), `gemm: unknown operation "conv": use matmul or peak`},
		{with(gemm, "Type", ""), `gemm: unknown data type ""`},
		{with(gemm, "Cache", "warm"), `gemm: unknown cache state "warm": use hot or cold`},
		{with(reduce, "Kind", "gossip"), `allreduce: unknown collective "gossip": use one of [all_reduce `},
		{with(reduce, "Ranks", 1), "allreduce all_reduce: 1 ranks on 1 nodes: at least 2 ranks, and one a node, are needed"},
		{with(reduce, "SizeBytes", 0), "allreduce all_reduce: size_bytes is 0"},
		{with(attention, "KVHeads", 3), "attention: 4 heads are no multiple of 3 KV heads"},
		{with(attention, "QueryTokens", 5), "attention: 5 new tokens are more than the context of 4"},
		{with(attention, "KVType", "q"), `attention: unknown data type "fp16" (KV "q")`},
		{with(layer, "TopK", 2), "decode: top-2 of 1 experts: a token cannot choose more experts than there are"},
		{with(layer, "TP", 3), "decode: 4 heads and a feed-forward of 8 cannot be split evenly over tensor-parallel 3"},
		{with(layer, "Heads", 5), "attention: 5 heads are no multiple of 2 KV heads"},
		{with(moe, "EP", 3), "moe: 8 experts cannot be shared out evenly over 3 ranks"},
		{with(moe, "TopK", 9), "moe: top-9 of 8 experts"},
		{with(moe, "Kernel", "all"), `moe: unknown operation "all": use layer or experts`},
		{with(moe, "Routing", Routing{Rule: "luck"}), `moe: unknown routing "luck": use one of [balanced `},
		{ModelPass{Type: FP16, WeightBytes: 1, Parameters: 1, QueryTokens: 2, ContextTokens: 1, Ranks: 1}, "model: 2 new tokens are more than the context of 1"},
	} {
		err := c.w.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want %s", c.w, err, c.want)
		}
	}
}
