package predict

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"bench/datasets"
)

// NCCL's estimates by hand, on A100s (LL at most 87.7 GB/s, ring 240 GB/s):
//
//   - 2 ranks, all-reduce: LL 7.8 µs + S/87.7 GB/s, Simple 15.2 µs + S/240
//     GB/s; equal at 7.4 µs / (1/87.7 − 1/240) per GB = 1.02 MB.
//   - 8 ranks, all-gather, S×7/8 sent: LL 10.8 µs, LL128 27.3 µs and 220.8 GB/s,
//     Simple 32.2 µs; LL to LL128 at 16.5 µs / 6.87 ps per byte = 2.40 MB sent,
//     S = 2.74 MB; LL128 to Simple at 4.9 µs / 0.362 ps = 13.5 MB, S = 15.5 MB.
func TestRingChoiceByHand(t *testing.T) {
	d := gpu(t, "a100-sxm")
	for _, c := range []struct {
		hops, bytes float64
		want        protocol
	}{
		{2, 512 << 10, protocolLL},
		{2, 1.00e6, protocolLL},
		{2, 1 << 20, protocolSimple},
		{7, 2 << 20 * 7 / 8, protocolLL},
		{7, 4 << 20 * 7 / 8, protocolLL128},
		{7, 8 << 20 * 7 / 8, protocolLL128},
		{7, 16 << 20 * 7 / 8, protocolSimple},
	} {
		if got := ringChoice(d, c.hops, c.bytes); got != c.want {
			t.Errorf("%g hops, %g bytes: protocol %d, want %d", c.hops, c.bytes, got, c.want)
		}
	}
}

// By hand, 8 H100s, 512 MiB in FP16: the switch adds, and each rank sends 1 + 1/8
// of 536.9 MB at 0.62 of 450 GB/s: 2164.8 µs, and latencies. In INT8 it does
// not: 14 hops and half a chunk of 67.1 MB at 0.8 of 450 GB/s, 2702.9 µs.
func TestCollectiveByHand(t *testing.T) {
	d := gpu(t, "h100-sxm")
	v := startOf(collective)
	v[ringRateSwitch], v[ringRateSimple], v[ringCopy] = 0.62, 0.8, 0.5
	c := datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 512 << 20, Ranks: 8, Nodes: 1}
	p := predictCollective(d, v, c)
	if got := term(p, "communication"); math.Abs(got-2164.8e-6) > 0.2e-6 {
		t.Errorf("in the switch %g s, want 2164.8 µs", got)
	}
	c.Type = datasets.INT8
	p = predictCollective(d, v, c)
	if got := term(p, "communication"); math.Abs(got-2702.9e-6) > 0.2e-6 {
		t.Errorf("around the ring %g s, want 2702.9 µs", got)
	}
}

// By hand, 8 A100s: one shot reads 7 × 64 KiB at 0.6 of 300 GB/s, 2.55 µs; two
// shots move 2 × 7/8 of 4 MiB at 0.6, 40.78 µs; 8 MiB go around the ring.
func TestCustomAllReduceByHand(t *testing.T) {
	d := gpu(t, "a100-sxm")
	v := startOf(customAllReduce)
	v[customOneShot], v[customTwoShot] = 0.6, 0.6
	for size, want := range map[int64]float64{64 << 10: 2.5486e-6, 4 << 20: 40.778e-6} {
		c := datasets.Collective{Kind: "custom_all_reduce", Type: datasets.BF16, SizeBytes: size, Ranks: 8, Nodes: 1, Launch: "graph"}
		p := predictCustomAllReduce(d, v, c)
		if got := term(p, "communication"); math.Abs(got/want-1) > 1e-3 {
			t.Errorf("%d bytes move in %g s, want %g s", size, got, want)
		}
		c.Launch = "eager"
		if e := predictCustomAllReduce(d, v, c); e.Seconds < max(p.Seconds, v[customHost]) {
			t.Errorf("%d bytes, eager: %g s, less than its kernel's %g s or the host's %g s", size, e.Seconds, p.Seconds, v[customHost])
		}
	}
}

func anyCollective(r *rand.Rand) datasets.Collective {
	c := datasets.Collective{Kind: datasets.CollectiveKinds[r.IntN(len(datasets.CollectiveKinds))],
		Type: []datasets.DType{datasets.FP16, datasets.INT8}[r.IntN(2)], SizeBytes: 1 + r.Int64N(1<<(1+r.IntN(30))), Ranks: 2 << r.IntN(3), Nodes: 1}
	if r.IntN(4) == 0 {
		c.Nodes = 2
	}
	if c.Kind == "send_recv" {
		c.Ranks = 2
	}
	return c
}

// Whatever the parameters, no rank sends more than its links can: the bytes of
// an all-reduce that the switch adds, (1 + 1/n) of the buffer, else WireBytes.
// The terms sum to the time.
func TestCollectivesNeverBeatTheLinks(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	tried := map[string]int{}
	for _, id := range []string{"a100-sxm", "h100-sxm"} {
		d := gpu(t, id)
		for range 30000 {
			c := anyCollective(r)
			m := modelOf(c)
			if m.Declines(d, c) != "" {
				continue
			}
			tried[m.Name]++
			p := m.Predict(d, plausible(m, r), c)
			bytes, rate := c.WireBytes(), d.LinkBandwidth.Value
			if c.Nodes > 1 {
				rate = d.NetworkBandwidth.Value * float64(c.Ranks/c.Nodes)
			} else if d.SwitchReduces && c.Kind == "all_reduce" {
				bytes = min(bytes, (1+1/float64(c.Ranks))*float64(c.SizeBytes))
			}
			if p.Seconds < bytes/rate {
				t.Fatalf("%s on %s takes %g s, and the links need %g s: %+v", c.Key(), id, p.Seconds, bytes/rate, p.Terms)
			}
			sum := 0.0
			for _, part := range p.Terms {
				sum += part.Seconds
			}
			if math.Abs(sum/p.Seconds-1) > 1e-9 || p.Binds == "" {
				t.Fatalf("%s: terms of %g s in all for %g s: %+v", c.Key(), sum, p.Seconds, p.Terms)
			}
		}
	}
	for _, m := range []*Model{collective, peerExchange, sendRecv, customAllReduce, networkCollective} {
		if tried[m.Name] < 100 {
			t.Errorf("%s was tried %d times", m.Name, tried[m.Name])
		}
	}
}

// A longer message takes no less time, within one of NCCL's choices and over
// all of them but for steps: where NCCL leaves a protocol too late, the next one
// takes up to a fifth less.
func TestCollectivesAreMonotone(t *testing.T) {
	for _, id := range []string{"a100-sxm", "h100-sxm"} {
		d := gpu(t, id)
		for _, kind := range datasets.CollectiveKinds {
			for _, ranks := range []int{2, 4, 8} {
				c := datasets.Collective{Kind: kind, Type: datasets.INT8, Ranks: ranks, Nodes: 1}
				m := modelOf(c)
				if m.Declines(d, c) != "" {
					continue
				}
				before := 0.0
				for size := 64.0; size < 1<<30; size *= 1.02 {
					c.SizeBytes = int64(size)
					p := m.Predict(d, startOf(m), c)
					if p.Seconds < 0.8*before {
						t.Errorf("%s on %s takes %g s, and 2 %% fewer bytes %g s", c.Key(), id, p.Seconds, before)
					}
					before = p.Seconds
				}
			}
		}
	}
}

func TestCollectivesDeclineByName(t *testing.T) {
	a := gpu(t, "a100-sxm")
	for _, c := range []struct {
		w    datasets.Collective
		want string
	}{
		{datasets.Collective{Kind: "broadcast", Type: datasets.FP16, SizeBytes: 8, Ranks: 8, Nodes: 1}, "broadcast"},
		{datasets.Collective{Kind: "all_to_all", Type: datasets.FP16, SizeBytes: 8, Ranks: 16, Nodes: 2}, "all_to_all across nodes"},
		{datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 32, Nodes: 1}, "more ranks on one node"},
		{datasets.Collective{Kind: "custom_all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 16, Nodes: 2}, "at most 8 GPUs"},
	} {
		if got := modelOf(c.w).Declines(a, c.w); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.w.Key(), got, c.want)
		}
	}
	c := datasets.Collective{Kind: "all_reduce", Type: datasets.FP16, SizeBytes: 8, Ranks: 2, Nodes: 1}
	if got := modelOf(c).Declines(&datasets.Device{ID: "x", Kind: "gpu"}, c); !strings.Contains(got, "link bandwidth") {
		t.Errorf("a GPU without links: %q", got)
	}
}
