package gpu

import (
	"errors"
	"fmt"

	"bench/cuda"
	"bench/cuda/nccl"
	"bench/datasets"
	"bench/microbench"
)

// ncclTypes are the element types of collectives.
var ncclTypes = map[datasets.DType]nccl.Type{datasets.FP16: nccl.Float16, datasets.BF16: nccl.Bfloat16,
	datasets.FP32: nccl.Float32, datasets.FP64: nccl.Float64, datasets.INT8: nccl.Int8}

// communication is NCCL and the communicators that are open, by their
// first GPU and their ranks.
type communication struct {
	lib   *nccl.Library
	err   error
	comms map[[2]int][]*nccl.Comm
}

// nccl opens the library once.
func (b *Backend) nccl() (*nccl.Library, error) {
	if b.comm.lib == nil && b.comm.err == nil {
		b.comm.lib, b.comm.err = nccl.Open()
	}
	return b.comm.lib, b.comm.err
}

// openNCCL opens the library, or says by name what is skipped without it.
func (b *Backend) openNCCL() error {
	if _, err := b.nccl(); err != nil {
		return skip("collectives need NCCL: %v", err)
	}
	return nil
}

// ranks is how many GPUs a case may use: this process's, or those of all
// processes together, one each.
func (b *Backend) ranks() int {
	if g := b.options.Group; g != nil {
		return g.Place().Size
	}
	return len(b.gpus)
}

// comms are this process's ends of a communicator of the first ranks GPUs.
func (b *Backend) comms(ranks int) ([]*nccl.Comm, error) { return b.commsFrom(0, ranks) }

// commsFrom are this process's ends of a communicator of so many GPUs from the
// first on, opened once: one for each of them, or the one of this process's rank.
func (b *Backend) commsFrom(first, ranks int) ([]*nccl.Comm, error) {
	if c := b.comm.comms[[2]int{first, ranks}]; c != nil {
		return c, nil
	}
	lib, err := b.nccl()
	if err != nil {
		return nil, err
	}
	var comms []*nccl.Comm
	if g := b.options.Group; g != nil {
		comms, err = b.joinComm(lib, ranks)
	} else {
		if err := b.open(first + ranks); err != nil {
			return nil, err
		}
		var ordinals []int
		for _, g := range b.gpus[first : first+ranks] {
			ordinals = append(ordinals, g.device.Index)
		}
		comms, err = lib.InitAll(ordinals)
	}
	if err != nil {
		return nil, err
	}
	if b.comm.comms == nil {
		b.comm.comms = map[[2]int][]*nccl.Comm{}
	}
	b.comm.comms[[2]int{first, ranks}] = comms
	return comms, nil
}

// joinComm makes rank 0's ID everybody's and joins.
func (b *Backend) joinComm(lib *nccl.Library, ranks int) ([]*nccl.Comm, error) {
	g := b.options.Group
	var id nccl.ID
	if g.Place().Rank == 0 {
		var err error
		if id, err = lib.UniqueID(); err != nil {
			return nil, err
		}
	}
	said, err := g.Broadcast(id[:])
	if err != nil {
		return nil, err
	}
	if copy(id[:], said) != len(id) {
		return nil, errors.New("rank 0 sent no communicator's ID")
	}
	c, err := lib.InitRank(b.ctx, ranks, id, g.Place().Rank)
	return []*nccl.Comm{c}, err
}

// close frees the communicators.
func (c *communication) close() error {
	var errs []error
	for _, comms := range c.comms {
		for _, x := range comms {
			errs = append(errs, x.Close())
		}
	}
	c.comms = nil
	return errors.Join(errs...)
}

// rank is one GPU's part of a collective.
type rank struct {
	*gpu
	number   int
	memory   *memory
	from, to cuda.Ptr
}

// collective is one on this process's GPUs.
type collective struct {
	*gpuCase
	w     datasets.Collective
	lib   *nccl.Library
	ranks []*rank
	// calls are one iteration, as one group.
	calls []nccl.Call
	// chunk is the elements that one rank contributes to, or gets of, a whole.
	chunk int64
}

// groupLaunches is as how many launches a group of NCCL's calls counts on each GPU:
// one, and a few events of NCCL's own.
const groupLaunches = 15

// graphGroups is how many iterations of a collective a graph holds: each process
// must come to the same number.
const graphGroups = 16

// prepareCollective is a collective of NCCL over the first w.Ranks GPUs, one rank
// a GPU, as nccl-tests counts it.
func (b *Backend) prepareCollective(w datasets.Collective) (microbench.Case, error) {
	if b.options.Group != nil {
		return b.lead(w)
	}
	c, err := b.newCollective(w)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (b *Backend) newCollective(w datasets.Collective) (*gpuCase, error) {
	if err := b.refuseCollective(w); err != nil {
		return nil, err
	}
	if err := b.openNCCL(); err != nil {
		return nil, err
	}
	comms, err := b.comms(w.Ranks)
	if err != nil {
		return nil, err
	}
	c := &collective{w: w, lib: b.comm.lib}
	for i := range comms {
		r := &rank{gpu: b.gpus[i], number: i, memory: b.gpus[i].memory()}
		if g := b.options.Group; g != nil {
			r.number = g.Place().Rank
		}
		c.ranks = append(c.ranks, r)
	}
	if err := c.allocate(comms); err != nil {
		return nil, errors.Join(err, c.free())
	}
	c.gpuCase = b.newCase(work{gpus: b.gpus[:len(comms)], comms: comms, launch: w.Launch, launches: groupLaunches, inGraph: graphGroups,
		enqueue: func(*cuda.Stream, int64) error { return c.lib.Enqueue(c.calls...) },
		check:   c.verify, close: c.free, name: "nccl", version: c.lib.Version()})
	return c.gpuCase, nil
}

// refuseCollective says what NCCL, or this process, cannot do.
func (b *Backend) refuseCollective(w datasets.Collective) error {
	if _, ok := ncclTypes[w.Type]; !ok {
		return skip("allreduce: NCCL has no collective of %s here, only of fp16, bf16, fp32, fp64 and int8", w.Type)
	}
	if w.Algorithm != "" {
		return skip("allreduce: NCCL chooses its algorithm by itself: %q cannot be asked for", w.Algorithm)
	}
	switch w.Launch {
	case "", "eager", "graph":
	default:
		return skip("allreduce: there is no launch mode %q, only eager and graph", w.Launch)
	}
	switch w.Kind {
	case "custom_all_reduce":
		return skip("allreduce: bench has no all-reduce of its own for GPUs, only NCCL's")
	case "all_to_all", "send_recv":
		if w.InPlace {
			return skip("allreduce: %s has no in-place form", w.Kind)
		}
	}
	if g := b.options.Group; g != nil && w.Ranks != g.Place().Size {
		return skip("allreduce: this run has %d processes, and a collective of %d of them is not measured", g.Place().Size, w.Ranks)
	}
	unit := int64(w.Type.Size())
	if w.Kind == "all_gather" || w.Kind == "reduce_scatter" || w.Kind == "all_to_all" {
		unit *= int64(w.Ranks)
	}
	if w.SizeBytes%unit != 0 {
		return skip("allreduce: %d bytes do not make whole elements of %s for %d ranks of a %s: give a multiple of %d", w.SizeBytes, w.Type, w.Ranks, w.Kind, unit)
	}
	return nil
}

// allocate makes the buffers of every rank, fills them, and lists the calls of an
// iteration.
func (c *collective) allocate(comms []*nccl.Comm) error {
	w, n := c.w, int64(c.w.Ranks)
	elements := w.SizeBytes / int64(w.Type.Size())
	c.chunk = elements / n
	part := w.SizeBytes / n
	for i, r := range c.ranks {
		send, receive := w.SizeBytes, w.SizeBytes
		switch w.Kind {
		case "all_gather":
			send = part
		case "reduce_scatter":
			receive = part
		}
		offset := cuda.Ptr(int64(r.number) * part)
		switch {
		case !w.InPlace:
			r.from, r.to = r.memory.alloc(send), r.memory.alloc(receive)
		case w.Kind == "all_gather":
			r.to = r.memory.alloc(receive)
			r.from = r.to + offset
		case w.Kind == "reduce_scatter":
			r.from = r.memory.alloc(send)
			r.to = r.from + offset
		default:
			r.from = r.memory.alloc(send)
			r.to = r.from
		}
		if r.memory.err != nil {
			return r.memory.err
		}
		if err := c.fill(r, send); err != nil {
			return err
		}
		c.calls = append(c.calls, c.callsOf(comms[i], r)...)
	}
	return nil
}

// callsOf is one rank's part of an iteration.
func (c *collective) callsOf(comm *nccl.Comm, r *rank) []nccl.Call {
	w, n := c.w, c.w.Ranks
	elements := w.SizeBytes / int64(w.Type.Size())
	call := nccl.Call{Comm: comm, Stream: r.stream, From: r.from, To: r.to, Count: elements, Type: ncclTypes[w.Type]}
	switch w.Kind {
	case "all_reduce":
		call.Kind = nccl.AllReduce
	case "all_gather":
		call.Kind, call.Count = nccl.AllGather, c.chunk
	case "reduce_scatter":
		call.Kind, call.Count = nccl.ReduceScatter, c.chunk
	case "broadcast":
		call.Kind = nccl.Broadcast
	case "send_recv":
		// Each sends to the next and receives from the one before, as
		// nccl-tests' sendrecv does.
		send, receive := call, call
		send.Kind, send.Peer = nccl.Send, (r.number+1)%n
		receive.Kind, receive.Peer = nccl.Recv, (r.number+n-1)%n
		return []nccl.Call{send, receive}
	case "all_to_all":
		var out []nccl.Call
		part := cuda.Ptr(w.SizeBytes / int64(n))
		for p := range n {
			send, receive := call, call
			send.Kind, send.Peer, send.Count, send.From = nccl.Send, p, c.chunk, r.from+cuda.Ptr(p)*part
			receive.Kind, receive.Peer, receive.Count, receive.To = nccl.Recv, p, c.chunk, r.to+cuda.Ptr(p)*part
			out = append(out, send, receive)
		}
		return out
	}
	return []nccl.Call{call}
}

// free gives the buffers back; the communicator stays open.
func (c *collective) free() error {
	var errs []error
	for _, r := range c.ranks {
		if err := r.memory.free(); err != nil {
			errs = append(errs, fmt.Errorf("rank %d: %w", r.number, err))
		}
	}
	return errors.Join(errs...)
}
