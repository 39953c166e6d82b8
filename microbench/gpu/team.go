package gpu

import (
	"errors"

	"bench/cuda"
	"bench/cuda/nccl"
	"bench/datasets"
	"bench/microbench"
)

// joint is a step of all ranks together: this rank's calls of one NCCL group, none
// where it has no part in it.
type joint struct {
	name  string
	calls []nccl.Call
	// from and to are an all-reduce's, messages an exchange's.
	from, to tensor
	messages []message
}

// join adds a joint step. Every rank must have as many.
func (l *layer) join(j joint) {
	l.joints = append(l.joints, j)
	l.steps = append(l.steps, nil)
	l.kernels = append(l.kernels, j.name)
}

// allReduce adds the sum of x over the tensor-parallel ranks, and nothing where
// there is one.
func (l *layer) allReduce(x tensor) tensor {
	if l.ranks == 1 || l.err != nil {
		return x
	}
	j := joint{name: "ncclAllReduce", from: x, to: l.buffer(l.t, x.rows, x.cols)}
	if x.rows > 0 {
		j.calls = []nccl.Call{{Kind: nccl.AllReduce, Comm: l.tensorComm, Stream: l.g.stream, From: x.p, To: j.to.p,
			Count: x.rows * x.cols, Type: ncclTypes[l.t]}}
	}
	l.join(j)
	return j.to
}

// team is a layer on several GPUs. Under tensor parallelism (Shoeybi et al.,
// "Megatron-LM", 2019, section 3) each has its heads and its slice of the
// feed-forward, and all-reduces of the activations join them; under expert
// parallelism, see spreadExperts.
type team struct {
	*gpuCase
	lib    *nccl.Library
	layers []*layer
	checks int64
}

// newTeam makes a rank's part of a layer on each of the first ep × tp GPUs, by
// build. Ranks that follow each other split the same matrices.
func (b *Backend) newTeam(suite datasets.Suite, t datasets.DType, launch string, ep, tp int, build func(l *layer)) (*team, error) {
	n := ep * tp
	if b.options.Group != nil {
		return nil, skip("%s: a layer over %d GPUs is measured in one process, and this run has several", suite, n)
	}
	if err := b.openNCCL(); err != nil {
		return nil, err
	}
	comms, err := b.comms(n)
	if err != nil {
		return nil, err
	}
	c := &team{lib: b.comm.lib}
	for i, g := range b.gpus[:n] {
		l, err := b.newLayer(g, suite, t)
		if err == nil {
			l.rank, l.ranks, l.group, l.world = int64(i), int64(tp), i/tp, comms[i]
			if i > 0 {
				l.like = c.layers[0]
			}
			c.layers = append(c.layers, l)
			if tp > 1 {
				var group []*nccl.Comm
				if group, l.err = b.commsFrom(l.group*tp, tp); l.err == nil {
					l.tensorComm = group[i%tp]
				}
			}
			if l.err == nil {
				build(l)
			}
			err = l.err
		}
		if err == nil && l.flush {
			err = skip("%s: %d copies of a rank's cold operands fit its GPU, which the L2 may hold, and nothing empties it between iterations on several GPUs",
				suite, l.copies)
		}
		if err != nil {
			return nil, errors.Join(err, c.free())
		}
	}
	w := c.layers[0].work(launch)
	w.gpus, w.comms = b.gpus[:n], comms
	w.launches += int64(len(c.layers[0].joints)) * (groupLaunches - 1)
	w.enqueue = func(_ *cuda.Stream, i int64) error { return c.enqueueAll(i) }
	w.check, w.close, w.name = c.verify, c.free, w.name+", NCCL "+c.lib.Version()
	c.gpuCase = b.newCase(w)
	return c, nil
}

// decodeTeam is a decode layer on w.TP GPUs.
func (b *Backend) decodeTeam(w datasets.DecodeLayer) (microbench.Case, error) {
	n := int64(w.TP)
	if w.Heads%n != 0 || w.KVHeads%n != 0 && n%w.KVHeads != 0 {
		return nil, skip("decode: %d query and %d KV heads cannot be shared out over %d GPUs", w.Heads, w.KVHeads, n)
	}
	part := w
	part.Heads, part.KVHeads, part.FFWidth, part.TP, part.Ranks = w.Heads/n, max(1, w.KVHeads/n), w.FFWidth/n, 1, 1
	t, err := b.newTeam(datasets.SuiteDecode, w.Type, w.Launch, 1, w.TP, func(l *layer) { l.decode(part) })
	if err != nil {
		return nil, err
	}
	return t, nil
}

// enqueueAll puts iteration i on every GPU's stream: a launch on each in turn, and
// when all have come to a joint step, that as one group.
func (t *team) enqueueAll(i int64) error {
	at := make([]int, len(t.layers))
	for joints := 0; ; joints++ {
		for launched := true; launched; {
			launched = false
			for r, l := range t.layers {
				if at[r] == len(l.steps) || l.steps[at[r]] == nil {
					continue
				}
				if err := l.steps[at[r]](l.g.stream, i%l.copies); err != nil {
					return err
				}
				at[r]++
				launched = true
			}
		}
		if joints == len(t.layers[0].joints) {
			return nil
		}
		var calls []nccl.Call
		for r, l := range t.layers {
			calls = append(calls, l.joints[joints].calls...)
			at[r]++
		}
		if err := t.lib.Enqueue(calls...); err != nil {
			return err
		}
	}
}

// verify runs the layer once on all GPUs, and checks every rank's steps and every
// sum over the ranks.
func (t *team) verify() (microbench.Check, error) {
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
	if err != nil {
		return all, err
	}
	messages, err := t.checkMessages()
	return joinChecks(joinChecks(all, sums), messages), err
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
	for first := 0; first < len(t.layers); first += int(t.layers[0].ranks) {
		group := t.layers[first : first+int(t.layers[0].ranks)]
		for i, j := range group[0].joints {
			if j.messages != nil {
				continue
			}
			for _, r := range sample(j.from.rows, sampledRows) {
				want := make([]float64, j.from.cols)
				for _, l := range group {
					v := &verification{g: l.g}
					want = sums(want, v.row(l.joints[i].from, 0, r))
					if v.err != nil {
						return out, v.err
					}
				}
				for _, l := range group {
					v := &verification{g: l.g}
					v.compare(v.row(l.joints[i].to, 0, r), want, 0, float64(len(group))*roundoff(l.t))
					if v.err != nil {
						return out, v.err
					}
					out = joinChecks(out, v.check)
				}
			}
		}
	}
	return out, nil
}

// free gives every rank's memory back.
func (t *team) free() error {
	var first error
	for _, l := range t.layers {
		if err := l.free(); err != nil && first == nil {
			first = err
		}
	}
	return first
}
