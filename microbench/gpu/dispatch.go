package gpu

import (
	"bytes"

	"bench/cuda"
	"bench/cuda/nccl"
	"bench/datasets"
	"bench/microbench"
)

// message is rows of a buffer that go to each rank of the expert-parallel group,
// and those that come from each: consecutive, in the order of ranks.
type message struct {
	from, to      tensor
	send, receive []int64
}

// exchange adds the messages between the ranks that share out the experts, as one
// group of NCCL's sends and receives. Ranks that have nothing for each other
// exchange nothing: the host knows the counts, as they are the workload's.
func (l *layer) exchange(messages ...message) {
	if l.err != nil {
		return
	}
	var calls []nccl.Call
	for _, m := range messages {
		call := nccl.Call{Comm: l.world, Stream: l.g.stream, Type: ncclTypes[m.from.t]}
		row := cuda.Ptr(m.from.cols * int64(m.from.t.Size()))
		from, to := m.from.p, m.to.p
		for peer := range m.send {
			// Of each other group, the rank with this one's part of the experts.
			call.Peer = peer*int(l.ranks) + int(l.rank%l.ranks)
			if n := m.send[peer]; n > 0 {
				out := call
				out.Kind, out.From, out.Count = nccl.Send, from, n*m.from.cols
				calls = append(calls, out)
				from += cuda.Ptr(n) * row
			}
			if n := m.receive[peer]; n > 0 {
				in := call
				in.Kind, in.To, in.Count = nccl.Recv, to, n*m.to.cols
				calls = append(calls, in)
				to += cuda.Ptr(n) * row
			}
		}
	}
	l.join(joint{name: "ncclSend, ncclRecv", calls: calls, messages: messages})
}

// spread is how a batch and a layer's experts are shared out over groups of
// ranks, in consecutive and even parts; assigned is the whole batch's routing.
type spread struct {
	groups                int
	tokens, experts, topK int64
	assigned              []int32
}

// first is the first token of a group.
func (s spread) first(group int) int64 { return int64(group) * s.tokens / int64(s.groups) }

// of is a group's part of the routing.
func (s spread) of(group int) []int32 {
	return s.assigned[s.first(group)*s.topK : s.first(group+1)*s.topK]
}

// rows is how many (token, choice) pairs go from a group to a group.
func (s spread) rows(from, to int) (n int64) {
	for _, e := range s.of(from) {
		if int(int64(e)/s.local()) == to {
			n++
		}
	}
	return n
}

// local is how many experts a group has.
func (s spread) local() int64 { return s.experts / int64(s.groups) }

// place numbers the group's experts that any token goes to, −1 for the others.
func (s spread) place(group int) (place []int32, awake int64) {
	loads := datasets.Loads(s.assigned, s.experts)[int64(group)*s.local() : int64(group+1)*s.local()]
	for _, n := range loads {
		at := int32(-1)
		if n > 0 {
			at = int32(awake)
			awake++
		}
		place = append(place, at)
	}
	return place, awake
}

// spreadExperts adds a layer whose experts are shared out over groups of ranks:
// the router and its choice on the group's own tokens; a copy of each token's row
// to the owner of each of its experts, with the expert's number beside it (as
// DeepSeek's DeepEP dispatches); the experts there, on the rows of all groups; the
// results' way back, and the sum by the tokens' shares.
func (l *layer) spreadExperts(shape expertShape, s spread) {
	m := &mixture{expertShape: shape}
	m.tokens, m.imposed, m.place = s.first(l.group+1)-s.first(l.group), s.of(l.group), nil
	out := message{send: make([]int64, s.groups), receive: make([]int64, s.groups)}
	pairs, received := m.tokens*m.topK, int64(0)
	for g := range s.groups {
		out.send[g], out.receive[g] = s.rows(l.group, g), s.rows(g, l.group)
		received += out.receive[g]
	}
	var tags message
	tags.send, tags.receive = out.send, out.receive
	out.from, out.to = l.buffer(l.t, pairs, m.hidden), l.buffer(l.t, received, m.hidden)
	tags.from, tags.to = l.buffer(datasets.FP32, pairs, 1), l.buffer(datasets.FP32, received, 1)
	if pairs > 0 {
		x := l.tokens(m.tokens, m.hidden)
		// The plan's tiles are of no use here: the largest are the fewest.
		l.permute(m, l.route(m, x), groupedTiles[len(groupedTiles)-1])
		l.pack(m, x, out.from, tags.from, s.local())
	}
	l.exchange(out, tags)

	back := message{send: out.receive, receive: out.send, from: l.buffer(l.t, received, m.hidden), to: l.buffer(l.t, pairs, m.hidden)}
	if received > 0 {
		mine := &mixture{expertShape: shape, assigned: tags.to}
		mine.tokens, mine.topK, mine.experts, mine.imposed = received, 1, s.local(), nil
		mine.place, mine.placed = s.place(l.group)
		counts := l.counts(mine.experts)
		l.kernel("routing", "bench_moe_count", cuda.Launch{Grid: [3]int{int(ceilDiv(received, 256))}, Block: [3]int{256}},
			fixed(counts, tags.to.p, int32(received)))
		l.unpermute(mine, l.feed(mine, out.to, counts), back.from)
	}
	l.exchange(back)
	y := tensor{t: l.t, cols: m.hidden}
	if pairs > 0 {
		y = l.combine(m, back.to, tensor{})
	}
	l.allReduce(y)
}

// pack adds a copy of the pairs' rows in the order of experts, and their experts'
// numbers among their owner's.
func (l *layer) pack(m *mixture, x, rows, tags tensor, local int64) {
	at := threadPerVector(rows.rows, m.hidden, vectorWidth(l.t))
	l.kernel("routing", l.name("bench_moe_pack"), at,
		fixed(rows.p, tags.p, x.p, m.order.p, m.assigned.p, int32(m.hidden), int32(m.topK), int32(local)))
	l.checked(func(v *verification, _ int64) error {
		assigned, slot, tag := v.ints(m.assigned.p, rows.rows), v.ints(m.slot.p, rows.rows), v.ints(tags.p, rows.rows)
		for pair, e := range assigned {
			if at := slot[pair]; at >= 0 && int(at) < len(tag) {
				v.same([]int32{tag[at]}, []int32{e % int32(local)})
			}
		}
		for _, pair := range sample(rows.rows, 2*sampledRows) {
			v.copied(x, pair/m.topK, rows, int64(slot[pair]))
		}
		return v.err
	})
}

// unpermute adds a copy of the results in the order in which their rows came.
func (l *layer) unpermute(m *mixture, results, back tensor) {
	l.kernel("rowwise", l.name("bench_embedding"), threadPerVector(back.rows, back.cols, vectorWidth(l.t)),
		fixed(back.p, results.p, m.slot.p, int32(back.cols)))
	l.checked(func(v *verification, _ int64) error {
		order := v.ints(m.order.p, back.rows)
		for _, at := range sample(back.rows, 2*sampledRows) {
			v.copied(results, at, back, int64(order[at]))
		}
		return v.err
	})
}

// copied compares a row with the one that it is a copy of, by bytes; a row that is
// not in the tensor is counted where its number is checked.
func (v *verification) copied(from tensor, source int64, to tensor, row int64) {
	if row < 0 || row >= to.rows {
		return
	}
	v.equal(v.bytes(to, row), v.bytes(from, source))
}

func (v *verification) bytes(x tensor, row int64) []byte {
	size := x.cols * int64(x.t.Size())
	return v.raw(x.p+cuda.Ptr(row*size), size)
}

func (v *verification) equal(have, want []byte) {
	v.check.Checked++
	if !bytes.Equal(have, want) {
		v.check.Wrong++
	}
}

// checkMessages compares rows of every message with those that were sent.
func (t *team) checkMessages() (microbench.Check, error) {
	v := &verification{}
	from, to := &verification{}, &verification{}
	for _, sender := range t.layers {
		from.g = sender.g
		for i, j := range sender.joints {
			for k, m := range j.messages {
				first := int64(0)
				for peer, n := range m.send {
					receiver := t.layers[peer*int(sender.ranks)+int(sender.rank%sender.ranks)]
					to.g = receiver.g
					into := receiver.joints[i].messages[k]
					arrived := int64(0)
					for _, rows := range into.receive[:sender.group] {
						arrived += rows
					}
					for _, row := range sample(n, max(sampledRows, sampledColumns/m.from.cols)) {
						v.equal(to.bytes(into.to, arrived+row), from.bytes(m.from, first+row))
					}
					first += n
				}
			}
		}
	}
	if from.err == nil {
		from.err = to.err
	}
	return v.check, from.err
}
