package session

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bench/cuda"
	"bench/microbench"
	"bench/microbench/gpu"
	"bench/microbench/host"
	"bench/microbench/launcher"
)

func openBackend(o childOptions) (microbench.Backend, error) {
	switch {
	case o.Kind == "host":
		return host.New(host.Options{Library: o.Library})
	case o.Kind == "cuda" && o.Join != nil:
		return openJoined(o)
	case o.Kind == "cuda":
		return gpu.New(gpu.Options{Devices: o.GPUs, Zeros: o.Zeros})
	}
	return nil, fmt.Errorf("unknown backend %q", o.Kind)
}

// fatal tells the errors after which a GPU's context is lost.
func fatal(err error) bool {
	if e := (*cuda.Error)(nil); errors.As(err, &e) {
		return e.Sticky()
	}
	return errors.As(err, new(*gpu.HangError))
}

// openJoined is the backend of one of several processes: its GPU, joined with the
// others'. All join first, so that rank 0 hears why another cannot go on. Where a
// rank is lost later the process ends, whatever it waits for.
func openJoined(o childOptions) (*gpu.Backend, error) {
	within := joinWithin
	if o.Again {
		within = rejoinWithin
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	group, err := launcher.Join(ctx, *o.Join)
	if err != nil {
		return nil, err
	}
	b, err := openRank(o, group)
	if err = group.Agree(err); err != nil {
		return nil, err // the process ends, and all that it holds with it
	}
	group.OnLost(func(err error) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(exitLost)
	})
	return b, nil
}

// openRank opens the GPU of a rank. A launcher shows a process all GPUs of the
// node, or only its own.
func openRank(o childOptions, group *launcher.Group) (*gpu.Backend, error) {
	d, err := cuda.Open("")
	if err != nil {
		return nil, err
	}
	n, err := d.Count()
	if err != nil {
		return nil, err
	}
	return gpu.New(gpu.Options{Devices: []int{o.Join.Local % max(n, 1)}, Zeros: o.Zeros, Group: group})
}

// follow takes part in what rank 0 measures.
func follow(o childOptions) error {
	b, err := openJoined(o)
	if err != nil {
		return &NothingError{err}
	}
	if err := b.Follow(); err != nil {
		// The context may be lost, so it is not closed: the process ends.
		return failed("rank %d: %w", o.Join.Rank, err)
	}
	return b.Close()
}
