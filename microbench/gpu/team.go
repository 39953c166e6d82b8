package gpu

import (
	"bench/cuda/nccl"
	"bench/datasets"
	"bench/microbench"
)

// reduction is an all-reduce of one rank's product into its sum over the ranks.
type reduction struct{ from, to tensor }

// allReduce adds the sum of x over all ranks, and nothing where there is one.
func (l *layer) allReduce(x tensor) tensor {
	if l.ranks == 1 || l.err != nil {
		return x
	}
	y := l.buffer(l.t, x.rows, x.cols)
	l.reduced[len(l.steps)] = reduction{x, y}
	l.steps = append(l.steps, nil)
	l.kernels = append(l.kernels, "ncclAllReduce")
	return y
}

// team is a decode layer on several GPUs (Shoeybi et al., "Megatron-LM", 2019,
// section 3): each has its heads and its slice of the feed-forward, and two
// all-reduces of the activations join them.
type team struct {
	*collectiveCase
	layers []*layer
	checks int64
}

// prepareTeam prepares a rank's part of the layer on each of w.TP GPUs.
func (b *Backend) prepareTeam(w datasets.DecodeLayer) (microbench.Case, error) {
	n := int64(w.TP)
	if b.options.Group != nil {
		return nil, skip("decode: %d-way tensor parallelism is measured in one process, and this run has several", n)
	}
	if w.Heads%n != 0 || w.KVHeads%n != 0 && n%w.KVHeads != 0 {
		return nil, skip("decode: %d query and %d KV heads cannot be shared out over %d GPUs", w.Heads, w.KVHeads, n)
	}
	if err := b.openNCCL(); err != nil {
		return nil, err
	}
	comms, err := b.comms(w.TP)
	if err != nil {
		return nil, err
	}
	part := w
	part.Heads, part.KVHeads, part.FFWidth, part.TP, part.Ranks = w.Heads/n, max(1, w.KVHeads/n), w.FFWidth/n, 1, 1
	t := &team{collectiveCase: &collectiveCase{b: b, w: datasets.Collective{Launch: w.Launch}, lib: b.comm.lib, comms: comms, held: maxHeldTeam}}
	for i, g := range b.gpus[:w.TP] {
		l, err := b.newLayer(g, datasets.SuiteDecode, w.Type)
		if err != nil {
			return nil, err
		}
		l.rank, l.ranks = int64(i), n
		t.layers = append(t.layers, l)
		t.ranks = append(t.ranks, &rank{gpu: g, number: i, memory: l.m})
		if i > 0 {
			l.like = t.layers[0]
		}
		if l.decode(part); l.err != nil {
			err := l.err
			t.Close()
			return nil, err
		}
	}
	t.one = t.enqueueAll
	return t, nil
}

// maxHeldTeam iterations wait behind the holds: about a dozen launches each.
const maxHeldTeam = 40

// enqueueAll puts iteration i on every GPU's stream, step by step, so that the
// ranks of an all-reduce are one group.
func (t *team) enqueueAll(i int64) error {
	copies := t.layers[0].copies
	for step := range t.layers[0].steps {
		if _, ok := t.layers[0].reduced[step]; ok {
			if err := t.lib.Enqueue(t.group(step)...); err != nil {
				return err
			}
			continue
		}
		for _, l := range t.layers {
			if err := l.steps[step](l.g.stream, i%copies); err != nil {
				return err
			}
		}
	}
	return nil
}

// group is an all-reduce's calls, one a rank.
func (t *team) group(step int) (calls []nccl.Call) {
	for r, l := range t.layers {
		x := l.reduced[step]
		calls = append(calls, nccl.Call{Kind: nccl.AllReduce, Comm: t.comms[r], Stream: l.g.stream, From: x.from.p, To: x.to.p,
			Count: x.from.rows * x.from.cols, Type: ncclTypes[l.t]})
	}
	return calls
}

// Check runs the layer once on all GPUs, and checks every rank's steps and every
// sum over the ranks.
func (t *team) Check() (microbench.Check, error) {
	c := t.checks % t.layers[0].copies
	t.checks++
	for _, l := range t.layers {
		if err := l.forget(); err != nil {
			return microbench.Check{}, err
		}
	}
	if err := t.enqueueAll(c); err != nil {
		return microbench.Check{}, err
	}
	if err := t.wait(); err != nil {
		return microbench.Check{}, err
	}
	var all microbench.Check
	for _, l := range t.layers {
		check, err := l.verify(c)
		if err != nil {
			return all, err
		}
		all = joinChecks(all, check)
	}
	sums, err := t.checkSums()
	return joinChecks(all, sums), err
}

func joinChecks(a, b microbench.Check) microbench.Check {
	a.Wrong, a.Checked = a.Wrong+b.Wrong, a.Checked+b.Checked
	a.MaxRelError, a.Bound = max(a.MaxRelError, b.MaxRelError), max(a.Bound, b.Bound)
	return a
}

// checkSums compares rows of every all-reduce on every rank. NCCL may round to
// the type after each of the additions.
func (t *team) checkSums() (microbench.Check, error) {
	var out microbench.Check
	n := len(t.layers)
	for step, first := range t.layers[0].reduced {
		for _, r := range sample(first.from.rows, sampledRows) {
			want := make([]float64, first.from.cols)
			for _, l := range t.layers {
				v := &verification{g: l.g}
				want = sums(want, v.row(l.reduced[step].from, 0, r))
				if v.err != nil {
					return out, v.err
				}
			}
			for _, l := range t.layers {
				v := &verification{g: l.g}
				v.compare(v.row(l.reduced[step].to, 0, r), want, 0, float64(n)*roundoff(l.t))
				if v.err != nil {
					return out, v.err
				}
				out = joinChecks(out, v.check)
			}
		}
	}
	return out, nil
}

// Implementation is what a rank's products are, and NCCL.
func (t *team) Implementation() (name, version string) {
	w := t.layers[0].work("")
	return w.name + ", NCCL " + t.lib.Version(), w.version
}

// Close frees the graphs and every rank's memory.
func (t *team) Close() error {
	var first error
	for _, r := range t.ranks {
		if r.graph != nil {
			if err := r.graph.Close(); err != nil && first == nil {
				first = err
			}
			r.graph = nil
		}
	}
	for _, l := range t.layers {
		if err := l.free(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
