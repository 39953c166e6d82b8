package ceilings

import "bench/datasets"

// small is the size in bytes below which an all-reduce is all latency: a few
// cache lines, which cost no more to move than one.
const small = 1024

// collective predicts the host's all-reduce over shared memory: what the
// kernels of microbench/host read and write, at the measured cost of the level
// where the ranks' buffers lie together, plus the latency of its signals, from
// the small cases of the same algorithm. Buffers that another core has just
// written are dirty in its cache; what that transfer costs comes from the
// ring's other sizes.
func (m *Model) collective(w datasets.Collective) datasets.Prediction {
	if w.Kind != "all_reduce" || w.Nodes > 1 {
		return missing("no ceilings model of %s over %d nodes", w.Kind, w.Nodes)
	}
	id, key := reduceID{w.Kind, w.Algorithm, w.Type, w.Ranks, w.InPlace}, w.Key()
	latency := m.signals(id, key)
	if latency == 0 {
		return missing("no other small %s all-reduce of %d ranks", w.Algorithm, w.Ranks)
	}
	terms := []datasets.Term{{Name: "latency", Seconds: latency}}
	total := latency
	if w.SizeBytes > small {
		t, ok := m.buffers(w)
		if !ok {
			return missing("no read and write cases of %d workers: run suite hbm too", w.Ranks)
		}
		total += t
		terms = append(terms, datasets.Term{Name: "memory", Seconds: t})
		if w.Algorithm == "ring" {
			t := m.transfer(id, w, key) * dirtyBytes(w)
			total += t
			terms = append(terms, datasets.Term{Name: "core_to_core", Seconds: t})
		}
	}
	return joined("sum", total, terms...)
}

// signals is the time of an all-reduce of next to nothing.
func (m *Model) signals(id reduceID, except string) float64 {
	var in []float64
	for _, p := range m.reduces[id] {
		if p.bytes <= small && p.key != except {
			in = append(in, p.seconds)
		}
	}
	return median(in)
}

// buffers is the time to read and write the ranks' buffers. Direct: each rank
// reads its slice of every input and writes the sum to every output. Ring:
// a rank reads two and writes one slice in each of n−1 steps of the
// reduce-scatter, and reads and writes one in each of the all-gather's, less
// what dirtyBytes counts. Outputs that no cache can hold are stored past it,
// all of them by the direct algorithm and those of the all-gather by the ring.
func (m *Model) buffers(w datasets.Collective) (float64, bool) {
	n, s := float64(w.Ranks), float64(w.SizeBytes)
	reads, writes, past := n*s, n*s, n*s
	if w.Algorithm == "ring" {
		reads = 3*(n-1)*s - n*dirtyBytes(w)
		writes, past = 2*(n-1)*s, (n-1)*s
	}
	workingSet := m.workingSet(w)
	streams := !w.InPlace && workingSet > m.last.SizeBytes.Value
	if streams {
		workingSet -= past
		writes -= past
	}
	shares := m.shares(workingSet, w.Ranks, m.lastBytes[streamID{"", w.Ranks}])
	r, okR := pass(reads, shares, m.read[w.Ranks])
	v, okW := pass(writes, shares, m.write[w.Ranks])
	t, _ := levelTerms(inTurn(r, v))
	if streams {
		nt := m.costs("write_nt", w.Ranks, m.lastBytes[streamID{"", w.Ranks}], "")[maxLevels-1]
		t, okW = max(t, past*nt), okW && nt > 0
	}
	return t, okR && okW
}

// workingSet is the bytes of all ranks' buffers.
func (m *Model) workingSet(w datasets.Collective) float64 {
	if w.InPlace {
		return float64(w.Ranks) * float64(w.SizeBytes)
	}
	return 2 * float64(w.Ranks) * float64(w.SizeBytes)
}

// dirtyBytes is what a rank of a ring reads that its neighbour has just
// written: every step but the first.
func dirtyBytes(w datasets.Collective) float64 {
	n := float64(w.Ranks)
	return (2*(n-1) - 1) * float64(w.SizeBytes) / n
}

// transfer is the measured cost in seconds a byte of reading what the
// neighbour has just written and of taking over the lines that it has read,
// from the other ring cases above 4 KiB. Lines that have left the private
// caches since cost less, so cases in the same level come first.
func (m *Model) transfer(id reduceID, of datasets.Collective, except string) float64 {
	var same, all []float64
	latency, private := m.signals(id, except), m.inPrivate(of)
	for _, p := range m.reduces[id] {
		if p.bytes < 4096 || p.key == except {
			continue
		}
		w := of
		w.SizeBytes = p.bytes
		if t, ok := m.buffers(w); ok {
			perByte := max(0, p.seconds-latency-t) / dirtyBytes(w)
			all = append(all, perByte)
			if m.inPrivate(w) == private {
				same = append(same, perByte)
			}
		}
	}
	if len(same) > 0 {
		return median(same)
	}
	return median(all)
}

// inPrivate reports whether the ranks' buffers stay in their private caches.
func (m *Model) inPrivate(w datasets.Collective) bool {
	s := m.shares(m.workingSet(w), w.Ranks, 0)
	return s[0]+s[1] > 0.5
}
