//go:build cgo && linux

package session

import (
	"context"
	"errors"
	"fmt"

	"bench/cuda"
	"bench/microbench"
	"bench/microbench/gpu"
	"bench/microbench/host"
	"bench/microbench/launcher"
)

// canMeasure is nil: this build has the backends.
func canMeasure() error { return nil }

func openBackend(o childOptions) (microbench.Backend, error) {
	switch {
	case o.Kind == "host":
		return host.New(host.Options{Library: o.Library})
	case o.Kind == "cuda" && o.Join != nil:
		return openJoined(*o.Join, o.Zeros)
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
// others'.
func openJoined(p launcher.Place, zeros bool) (*gpu.Backend, error) {
	d, err := cuda.Open("")
	if err != nil {
		return nil, err
	}
	n, err := d.Count()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinWithin)
	defer cancel()
	group, err := launcher.Join(ctx, p)
	if err != nil {
		return nil, err
	}
	// A launcher shows a process all GPUs of the node, or only its own.
	b, err := gpu.New(gpu.Options{Devices: []int{p.Local % max(n, 1)}, Zeros: zeros, Group: group})
	if err != nil {
		return nil, errors.Join(err, group.Close())
	}
	return b, nil
}
