package fakedriver_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"bench/cuda"
	"bench/cuda/fakedriver"
	"bench/cuda/nccl"
)

// Four GPUs hold 1, 2, 3 and 4 times (i mod 5): a sum is 10·(i mod 5), which each
// type holds exactly.
func TestCollectives(t *testing.T) {
	const ranks, n = 4, 40
	truth := fakedriver.Truth{Devices: ranks, Peer: 100e9, Collective: 5e-6, HostLaunch: 1e-15}
	t.Setenv("BENCH_LIBNCCL", fakedriver.NCCL(t, truth))
	library := must[*nccl.Library](t)(nccl.Open())
	d := must[*cuda.Driver](t)(cuda.Open(fakedriver.Driver(t, truth)))
	comms := must[[]*nccl.Comm](t)(library.InitAll([]int{0, 1, 2, 3}))

	types := []struct {
		t      nccl.Type
		size   int
		encode func(v float64) []byte
	}{
		{nccl.Int8, 1, func(v float64) []byte { return []byte{byte(v)} }},
		{nccl.Float16, 2, func(v float64) []byte { return half(v) }},
		{nccl.Bfloat16, 2, func(v float64) []byte {
			return binary.LittleEndian.AppendUint16(nil, uint16(math.Float32bits(float32(v))>>16))
		}},
		{nccl.Float32, 4, func(v float64) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v))) }},
		{nccl.Float64, 8, func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }},
	}
	for _, typ := range types {
		of := func(factor func(i int) float64, n int) (b []byte) {
			for i := range n {
				b = append(b, typ.encode(factor(i))...)
			}
			return b
		}
		operand := func(rank int) func(i int) float64 {
			return func(i int) float64 { return float64((rank + 1) * (i % 5)) }
		}
		sum := func(i int) float64 { return float64(10 * (i % 5)) }
		for _, c := range []struct {
			kind     nccl.Kind
			count    int64
			peer     func(rank int) int
			want     func(rank int) []byte
			perRank  float64 // bytes over the link, in units of the operand
			messages bool
		}{
			{nccl.AllReduce, n, nil, func(int) []byte { return of(sum, n) }, 1.5, false},
			{nccl.ReduceScatter, n / ranks, nil, func(r int) []byte { return of(func(i int) float64 { return sum(i + r*n/ranks) }, n/ranks) }, 0.75, false},
			{nccl.AllGather, n, nil, func(int) []byte {
				var b []byte
				for r := range ranks {
					b = append(b, of(operand(r), n)...)
				}
				return b
			}, 3, false},
			{nccl.Broadcast, n, func(int) int { return 2 }, func(int) []byte { return of(operand(2), n) }, 1, false},
			{nccl.Send, n, nil, func(r int) []byte { return of(operand((r+ranks-1)%ranks), n) }, 1, true},
		} {
			var calls []nccl.Call
			var streams []*cuda.Stream
			var contexts []*cuda.Context
			var to []cuda.Ptr
			for r := range ranks {
				x := must[*cuda.Context](t)(must[*cuda.Device](t)(d.Device(r)).Open())
				s := must[*cuda.Stream](t)(x.NewStream())
				from, dst := must[cuda.Ptr](t)(x.Alloc(n*8*ranks)), must[cuda.Ptr](t)(x.Alloc(n*8*ranks))
				ok(t, x.ToDevice(from, of(operand(r), n)))
				call := nccl.Call{Kind: c.kind, Comm: comms[r], Stream: s, From: from, To: dst, Count: c.count, Type: typ.t}
				if c.peer != nil {
					call.Peer = c.peer(r)
				}
				if c.messages {
					call.Peer = (r + 1) % ranks
					back := call
					back.Kind, back.Peer = nccl.Recv, (r+ranks-1)%ranks
					calls = append(calls, back)
				}
				calls = append(calls, call)
				contexts, streams, to = append(contexts, x), append(streams, s), append(to, dst)
			}
			ok(t, library.Enqueue(calls...)) // for the answer
			for _, s := range streams {
				ok(t, s.Sync())
			}
			seconds := elapsed(t, contexts[1], streams[1], func() { ok(t, library.Enqueue(calls...)) })
			if want := 5e-6 + c.perRank*float64(n*typ.size)/100e9; math.Abs(seconds/want-1) > 1e-5 {
				t.Errorf("kind %d type %d took %g s, want %g", c.kind, typ.t, seconds, want)
			}
			for r := range ranks {
				want := c.want(r)
				got := make([]byte, len(want))
				ok(t, contexts[r].ToHost(got, to[r]))
				if !bytes.Equal(got, want) {
					t.Errorf("kind %d type %d rank %d: % x\nwant % x", c.kind, typ.t, r, got, want)
				}
			}
		}
	}
	for _, c := range comms {
		ok(t, c.Close())
	}
}

// half encodes a whole number below 2048.
func half(v float64) []byte {
	if v == 0 {
		return []byte{0, 0}
	}
	e := math.Floor(math.Log2(v))
	return binary.LittleEndian.AppendUint16(nil, uint16((e+15)*1024+(v/math.Exp2(e)-1)*1024))
}
