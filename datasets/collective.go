package datasets

import (
	"fmt"
	"unsafe"
)

// Collective is a communication among ranks (suite allreduce), with the sizes
// of nccl-tests (doc/PERFORMANCE.md): SizeBytes is the buffer of one rank for
// all_reduce, broadcast and all_to_all (a rank keeps 1/ranks of it and sends
// the rest), the whole buffer, every rank's part together, for all_gather and
// reduce_scatter, and the message from one rank to another for send_recv.
type Collective struct {
	Kind      string `col:"op" default:"all_reduce" help:"collective: all_reduce, custom_all_reduce, all_gather, reduce_scatter, all_to_all, send_recv or broadcast"`
	Type      DType  `col:"dtype"`
	SizeBytes int64  `col:"size_bytes" key:"bytes" flag:"size" help:"bytes of one rank's buffer (of the whole buffer for all_gather, reduce_scatter, all_to_all) (required)"`
	Ranks     int    `col:"ranks" default:"8"`
	// Nodes is over how many nodes the ranks are spread evenly; 1 inside one.
	Nodes int `col:"nodes" default:"1" help:"nodes that the ranks are spread over"`
	// Algorithm is "" where the library (NCCL) chooses; "ring" and "direct"
	// for the host's own.
	Algorithm string `col:"algorithm" help:"ring, direct or custom; empty where the library chooses"`
	// Launch is "eager" where the host's launch is inside the clock, "graph"
	// where it is not, "" where there is nothing to launch.
	Launch string `col:"launch" help:"graph, or eager where the host's launch is inside the clock"`
	// InPlace is set where the input and output buffers are one.
	InPlace bool `col:"in_place"`
}

var collectiveOperation = declare[Collective](SuiteAllReduce)

// Suite is allreduce, whatever the kind.
func (c Collective) Suite() Suite { return SuiteAllReduce }

// Op is Kind.
func (c Collective) Op() string { return c.Kind }

// DType is the element type.
func (c Collective) DType() DType { return c.Type }

// Workers is Ranks.
func (c Collective) Workers() int { return c.Ranks }

// FLOPs is the additions of a reduction: ranks − 1 an element.
func (c Collective) FLOPs() float64 {
	switch c.Kind {
	case "all_reduce", "custom_all_reduce", "reduce_scatter":
		if s := c.Type.Size(); s > 0 {
			return float64(c.SizeBytes) / s * float64(c.Ranks-1)
		}
	}
	return 0
}

// Bytes is every buffer read and written once, on all ranks together: 2·n·s
// for all_reduce and all_to_all; a part of s/n and the whole of s on each of n
// ranks, s + n·s, for all_gather and reduce_scatter; one reading and n − 1
// writings, n·s, for broadcast; and 2·s for send_recv.
func (c Collective) Bytes() float64 {
	n, s := float64(c.Ranks), float64(c.SizeBytes)
	switch c.Kind {
	case "all_reduce", "custom_all_reduce", "all_to_all":
		return 2 * s * n
	case "all_gather", "reduce_scatter":
		return s + s*n
	case "broadcast":
		return s * n
	}
	return 2 * s
}

// BusFactor is the ratio of bus bandwidth to algorithm bandwidth of
// nccl-tests' doc/PERFORMANCE.md: 2(n−1)/n for all_reduce, (n−1)/n for
// all_gather, reduce_scatter and all_to_all, and 1 for send_recv and broadcast.
func (c Collective) BusFactor() float64 {
	n := float64(c.Ranks)
	switch c.Kind {
	case "all_reduce", "custom_all_reduce":
		return 2 * (n - 1) / n
	case "all_gather", "reduce_scatter", "all_to_all":
		return (n - 1) / n
	}
	return 1
}

// rates are the additions, and the algorithm's and the bus's bandwidth: what a
// collective reads and writes is not its bandwidth.
func (c Collective) rates(seconds float64) Rates {
	algorithm := float64(c.SizeBytes) / seconds
	return Rates{FLOPPerS: c.FLOPs() / seconds, AlgorithmBytesPerS: algorithm, BusBytesPerS: algorithm * c.BusFactor()}
}

// WireBytes is what a rank must send without reduction in a switch: the size
// times BusFactor (for all_reduce: Patarasuk and Yuan, "Bandwidth optimal
// all-reduce algorithms", JPDC 69(2), 2009).
func (c Collective) WireBytes() float64 {
	return c.BusFactor() * float64(c.SizeBytes)
}

// Key names every field.
func (c Collective) Key() string { return collectiveOperation.key(c.Suite(), unsafe.Pointer(&c)) }

func (c Collective) cells(to *cells) { collectiveOperation.write(unsafe.Pointer(&c), to) }

// CollectiveKinds lists the known collectives. "custom_all_reduce" is an
// all-reduce by a serving framework's own one- and two-shot kernels over peer
// memory, with the arithmetic of all_reduce.
var CollectiveKinds = []string{"all_reduce", "custom_all_reduce", "all_gather", "reduce_scatter", "all_to_all",
	"send_recv", "broadcast"}

// Validate says in one sentence what is wrong with the shape.
func (c Collective) Validate() error {
	known := false
	for _, k := range CollectiveKinds {
		known = known || k == c.Kind
	}
	if !known {
		return fmt.Errorf("allreduce: unknown collective %q: use one of %v", c.Kind, CollectiveKinds)
	}
	if c.Type.Size() == 0 {
		return fmt.Errorf("allreduce: unknown data type %q", c.Type)
	}
	if err := positive("allreduce "+c.Kind, "size_bytes", c.SizeBytes, "nodes", int64(c.Nodes)); err != nil {
		return err
	}
	if c.Ranks < 2 || c.Ranks < c.Nodes {
		return fmt.Errorf("allreduce %s: %d ranks on %d nodes: at least 2 ranks, and one a node, are needed", c.Kind, c.Ranks, c.Nodes)
	}
	return nil
}
