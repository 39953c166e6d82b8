package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bench/cuda/kernels/reference"
	"bench/cuda/simt"
)

func TestRouterAgreesWithReference(t *testing.T) {
	host := simt.Build(t)
	for i, s := range [][3]int{{1, 8, 8}, {17, 3, 40}, {16, 9, 256}, {5, 130, 1032}} {
		for _, h := range halves {
			host.Order = simt.Orders[i%len(simt.Orders)]
			tokens, experts, hidden := s[0], s[1], s[2]
			r := rand.New(rand.NewPCG(7, uint64(i)))
			xs, x := h.random(r, tokens*hidden, 1)
			ws, w := h.random(r, experts*hidden, 1/math.Sqrt(float64(hidden)))
			logits := simt.NewBuffer[float32](t, host, tokens*experts)
			if err := host.Launch("bench_moe_router_"+h.name, simt.Dim3{uint32(experts+7) / 8, uint32(tokens+15) / 16}, simt.Dim3{256}, 0, logits,
				simt.NewBufferOf(t, host, xs), simt.NewBufferOf(t, host, ws), int32(tokens), int32(experts), int32(hidden)); err != nil {
				t.Fatal(err)
			}
			for k := range tokens {
				var got, want []float64
				for e := range experts {
					got = append(got, float64(logits.Data[k*experts+e]))
					want = append(want, reference.Dot(x[k*hidden:(k+1)*hidden], w[e*hidden:(e+1)*hidden]))
				}
				near(t, fmt.Sprintf("%s %v token %d", h.name, s, k), got, want, 4*math.Sqrt(float64(hidden))*0x1p-24)
			}
		}
	}
}

// routed runs choose, plan and scatter on given logits.
type routed struct {
	chosen, assigned, counts, starts, tileExpert, tileRow, tiles, slot, order *simt.Buffer[int32]
	share                                                                     *simt.Buffer[float32]
}

func route(t *testing.T, host *simt.Host, logits []float32, imposed []int32, tokens, experts, topK, rows int) routed {
	t.Helper()
	pairs := tokens * topK
	ints := func(n int) *simt.Buffer[int32] { return simt.NewBuffer[int32](t, host, n) }
	r := routed{ints(pairs), ints(pairs), ints(experts), ints(experts + 1), ints(pairs/rows + experts), ints(pairs/rows + experts), ints(1),
		ints(pairs), ints(pairs), simt.NewBuffer[float32](t, host, pairs)}
	next := ints(experts)
	var given any = simt.Address(0)
	if imposed != nil {
		given = simt.NewBufferOf(t, host, imposed)
	}
	launches := []func() error{
		func() error {
			return host.Launch("bench_moe_choose", simt.Dim3{uint32(tokens+3) / 4}, simt.Dim3{128}, 0, r.chosen, r.assigned, r.share, r.counts,
				simt.NewBufferOf(t, host, logits), given, int32(tokens), int32(experts), int32(topK))
		},
		func() error {
			return host.Launch("bench_moe_plan", simt.Dim3{1}, simt.Dim3{256}, 0, r.starts, next, r.tileExpert, r.tileRow, r.tiles, r.counts, int32(experts), int32(rows))
		},
		func() error {
			return host.Launch("bench_moe_scatter", simt.Dim3{uint32(pairs+63) / 64}, simt.Dim3{64}, 0, r.slot, r.order, next, r.assigned, int32(pairs))
		},
	}
	for _, l := range launches {
		if err := l(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// One of many experts, all of them, more experts than the plan has threads,
// equal logits, logits so far apart that a softmax over all would underflow.
func TestRoutingAgreesWithReference(t *testing.T) {
	host := simt.Build(t)
	for i, s := range [][4]int{{1, 8, 1, 16}, {9, 8, 2, 4}, {33, 40, 8, 16}, {5, 4, 4, 2}, {3, 300, 40, 16}, {70, 2, 1, 64}} {
		tokens, experts, topK, rows := s[0], s[1], s[2], s[3]
		for _, given := range []bool{false, true} {
			host.Order, host.Seed = simt.Orders[i%len(simt.Orders)], uint32(i)
			r := rand.New(rand.NewPCG(8, uint64(i)))
			logits := make([]float32, tokens*experts)
			for j := range logits {
				logits[j] = float32(math.Round(r.NormFloat64()*2) / 2) // many are equal
				if i == 0 {
					logits[j] *= 300
				}
			}
			var imposed []int32
			for range tokens {
				for _, e := range r.Perm(experts)[:topK] {
					if given {
						imposed = append(imposed, int32(e))
					}
				}
			}
			got := route(t, host, logits, imposed, tokens, experts, topK, rows)
			counts := make([]int32, experts)
			for k := range tokens {
				row := make([]float64, experts)
				for e := range row {
					row[e] = float64(logits[k*experts+e])
				}
				want := reference.TopK(row, topK)
				mine := slice(got.chosen.Data, k, topK)
				if !slices.Equal(mine, want) {
					t.Fatalf("%v: token %d chose %v, want %v of %v", s, k, mine, want, row)
				}
				if given {
					want = slice(imposed, k, topK)
				}
				if assigned := slice(got.assigned.Data, k, topK); !slices.Equal(assigned, want) {
					t.Fatalf("%v: token %d is assigned to %v, want %v", s, k, assigned, want)
				}
				var share []float64
				for _, v := range slice(got.share.Data, k, topK) {
					share = append(share, float64(v))
				}
				near(t, fmt.Sprint(s, " shares"), share, reference.Shares(row, want), 1e-5)
				for _, e := range want {
					counts[e]++
				}
			}
			start, tiles := int32(0), 0
			for e, n := range counts {
				if got.starts.Data[e] != start || got.counts.Data[e] != 0 {
					t.Fatalf("%v: expert %d starts at %d with %d counted after the plan, want %d and 0", s, e, got.starts.Data[e], got.counts.Data[e], start)
				}
				for at := int32(0); at < n; at += int32(rows) {
					if got.tileExpert.Data[tiles] != int32(e) || got.tileRow.Data[tiles] != start+at {
						t.Fatalf("%v: tile %d is of expert %d from %d, want %d and %d", s, tiles, got.tileExpert.Data[tiles], got.tileRow.Data[tiles], e, start+at)
					}
					tiles++
				}
				start += n
			}
			if got.starts.Data[experts] != start || got.tiles.Data[0] != int32(tiles) {
				t.Fatalf("%v: %d pairs in %d tiles, want %d in %d", s, got.starts.Data[experts], got.tiles.Data[0], start, tiles)
			}
			for pair, slot := range got.slot.Data {
				e := got.assigned.Data[pair]
				if got.order.Data[slot] != int32(pair) || slot < got.starts.Data[e] || slot >= got.starts.Data[e+1] {
					t.Fatalf("%v: pair %d of expert %d is at %d, where pair %d is", s, pair, e, slot, got.order.Data[slot])
				}
			}
		}
	}
}

func slice[T any](x []T, row, n int) []T { return x[row*n : (row+1)*n] }

type groupedCase struct {
	loads           []int
	inputs, outputs int
	activation      int
	gather          bool
}

// Experts without a row, with one, with exactly a tile and one more; depths and
// widths that are no multiple of a tile.
func TestGroupedProductAgreesWithReference(t *testing.T) {
	host := simt.Build(t)
	shapes := []struct{ rows, columns, threads, depth, stages int }{{16, 64, 128, 64, 5}, {64, 128, 256, 32, 4}, {128, 128, 256, 32, 4}}
	for i, c := range []groupedCase{
		{[]int{0, 1, 17, 0, 16}, 72, 88, 0, true},
		{[]int{5}, 8, 8, 2, false},
		{[]int{2, 0, 3}, 520, 136, 1, true},
		{[]int{129, 0, 64}, 40, 136, 0, true},
	} {
		for j, s := range shapes {
			for _, h := range halves {
				if i == 3 && j == 0 && h.name == "fp16" {
					continue // many tiles of little news
				}
				host.Order = simt.Orders[(i+j)%len(simt.Orders)]
				r := rand.New(rand.NewPCG(9, uint64(i)))
				experts, pairs, topK := len(c.loads), 0, 2
				var logits []float32
				var imposed []int32
				for e, n := range c.loads {
					pairs += n
					for range n {
						imposed = append(imposed, int32(e))
					}
				}
				r.Shuffle(len(imposed), func(a, b int) { imposed[a], imposed[b] = imposed[b], imposed[a] })
				// As tokens of one choice each; what gathers reads row pair/2 all the same.
				logits = make([]float32, pairs*experts)
				plan := route(t, host, logits, imposed, pairs, experts, 1, s.rows)
				xs, x := h.random(r, pairs*c.inputs, 1)
				// Weights are placed in reverse: place says where an expert's are.
				ws, w := h.random(r, experts*c.outputs*c.inputs, 1/math.Sqrt(float64(c.inputs)))
				place := make([]int32, experts)
				for e := range place {
					place[e] = int32(experts - 1 - e)
				}
				width := c.outputs
				if c.activation == 1 {
					width /= 2
				}
				y := nan(simt.NewBuffer[uint16](t, host, pairs*width))
				var order any = simt.Address(0)
				if c.gather {
					order = plan.order
				}
				err := host.Launch(fmt.Sprintf("bench_moe_experts_%s_%dx%d", h.name, s.rows, s.columns),
					simt.Dim3{uint32(pairs/s.rows + experts), uint32((c.outputs + s.columns - 1) / s.columns)}, simt.Dim3{uint32(s.threads)},
					s.stages*(s.rows+s.columns)*(s.depth+8)*2, y, simt.NewBufferOf(t, host, xs), simt.NewBufferOf(t, host, ws), plan.starts,
					plan.tileExpert, plan.tileRow, plan.tiles, order, simt.NewBufferOf(t, host, place), int32(topK), int32(c.inputs), int32(c.outputs), int32(c.activation))
				if err != nil {
					t.Fatal(err)
				}
				for pair, e := range imposed {
					slot := int(plan.slot.Data[pair])
					row := slot
					if c.gather {
						row = pair / topK
					}
					sums := each(make([]float64, c.outputs), func(o int) float64 {
						at := (int(place[e])*c.outputs + o) * c.inputs
						return reference.Dot(x[row*c.inputs:(row+1)*c.inputs], w[at:at+c.inputs])
					})
					want := each(make([]float64, width), func(o int) float64 {
						switch c.activation {
						case 1:
							return reference.SiLU(sums[2*o]) * sums[2*o+1]
						case 2:
							return reference.GELU(sums[o])
						}
						return sums[o]
					})
					near(t, fmt.Sprintf("%s %v, %d×%d, pair %d", h.name, c, s.rows, s.columns, pair), h.values(slice(y.Data, slot, width)), want, h.roundoff+1e-5)
				}
			}
		}
	}
}

func TestCombineSumsSharesOfSlots(t *testing.T) {
	host := simt.Build(t)
	const tokens, topK, hidden = 3, 2, 72
	for _, h := range halves {
		for _, residual := range []bool{false, true} {
			r := rand.New(rand.NewPCG(10, 10))
			results, rs := h.random(r, tokens*topK*hidden, 1)
			base, bs := h.random(r, tokens*hidden, 1)
			slot, share := []int32{5, 0, 1, 4, 2, 3}, []float32{0.25, 0.75, 1, 0, 0.5, 0.5}
			y := nan(simt.NewBuffer[uint16](t, host, tokens*hidden))
			var given any = simt.Address(0)
			if residual {
				given = simt.NewBufferOf(t, host, base)
			}
			if err := host.Launch("bench_moe_combine_"+h.name, simt.Dim3{tokens, 2}, simt.Dim3{32}, 0, y, simt.NewBufferOf(t, host, results),
				simt.NewBufferOf(t, host, share), simt.NewBufferOf(t, host, slot), given, int32(hidden), int32(topK)); err != nil {
				t.Fatal(err)
			}
			want := each(make([]float64, tokens*hidden), func(i int) (sum float64) {
				if residual {
					sum = bs[i]
				}
				for j := range topK {
					pair := i/hidden*topK + j
					sum += float64(share[pair]) * rs[int(slot[pair])*hidden+i%hidden]
				}
				return sum
			})
			near(t, h.name, h.values(y.Data), want, h.roundoff+0x1p-22)
		}
	}
}

// By hand: six pairs of three tokens go to experts 5 4 1 3 5 0 of six, three an
// owner; in the order of experts they are the pairs 5 2 3 1 0 4.
func TestPackGathersRowsForTheirOwners(t *testing.T) {
	host := simt.Build(t)
	const tokens, topK, local = 3, 2, 3
	assigned, order := []int32{5, 4, 1, 3, 5, 0}, []int32{5, 2, 3, 1, 0, 4}
	for i, hidden := range []int{8, 72, 520} {
		for _, h := range halves {
			host.Order = simt.Orders[i%len(simt.Orders)]
			xs, _ := h.random(rand.New(rand.NewPCG(12, uint64(i))), tokens*hidden, 1)
			rows, tags := nan(simt.NewBuffer[uint16](t, host, len(order)*hidden)), simt.NewBuffer[int32](t, host, len(order))
			if err := host.Launch("bench_moe_pack_"+h.name, simt.Dim3{uint32(len(order)), uint32(hidden+255) / 256}, simt.Dim3{32}, 0, rows, tags,
				simt.NewBufferOf(t, host, xs), simt.NewBufferOf(t, host, order), simt.NewBufferOf(t, host, assigned), int32(hidden), int32(topK), int32(local)); err != nil {
				t.Fatal(err)
			}
			var want []uint16
			for _, token := range []int{2, 1, 1, 0, 0, 2} {
				want = append(want, xs[token*hidden:(token+1)*hidden]...)
			}
			if !slices.Equal(rows.Data, want) || !slices.Equal(tags.Data, []int32{0, 1, 0, 1, 2, 2}) {
				t.Errorf("%s, hidden %d: tags %v, rows %v", h.name, hidden, tags.Data, rows.Data)
			}
		}
	}
}

func TestCountAddsUpTags(t *testing.T) {
	host := simt.Build(t)
	for _, order := range simt.Orders {
		host.Order = order
		counts := simt.NewBuffer[int32](t, host, 4)
		if err := host.Launch("bench_moe_count", simt.Dim3{2}, simt.Dim3{32}, 0, counts,
			simt.NewBufferOf(t, host, append(make([]int32, 33), 3, 1, 3)), int32(36)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(counts.Data, []int32{33, 1, 0, 2}) {
			t.Errorf("%v", counts.Data)
		}
	}
}
