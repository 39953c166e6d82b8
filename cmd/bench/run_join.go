package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"bench/cuda"
	"bench/datasets"
	"bench/microbench"
	"bench/microbench/gpu"
	"bench/microbench/launcher"

	"github.com/spf13/cobra"
)

// joinWithin is how long the processes of a run wait for each other.
const joinWithin = 2 * time.Minute

// joined finds this process's place among those that --join joins, and narrows
// the run to what they can do together.
func (f *runFlags) joined() (launcher.Place, error) {
	p, err := launcher.FromEnv(os.Getenv)
	if err != nil {
		return p, err
	}
	if p.Alone() {
		return p, errors.New("--join joins the processes that torchrun, srun or mpirun starts, one a GPU, and this is one alone: leave it away")
	}
	if kind, gpus, _ := parseDevice(f.device); kind == "host" || gpus != nil {
		return p, fmt.Errorf("--join takes a GPU for each process by itself, not --device %s: leave that away", f.device)
	}
	if len(f.ranks) > 0 {
		return p, fmt.Errorf("--join measures over all %d processes, not over --ranks", p.Size)
	}
	if len(f.suites) == 0 {
		f.suites = []string{string(datasets.SuiteAllReduce)}
	}
	for _, s := range f.suites {
		if datasets.Suite(s) != datasets.SuiteAllReduce {
			return p, fmt.Errorf("--join is for collectives over several processes: suite %s runs without it, on each node by itself", s)
		}
	}
	f.device = "cuda"
	return p, nil
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

// follow takes part in what rank 0 measures until that ends. The work is done in
// a child, which is replaced where its GPU hangs or rank 0 begins again.
func follow(p launcher.Place, zeros bool, stderr io.Writer) error {
	options, err := json.Marshal(childOptions{Kind: "cuda", Zeros: zeros, Join: &p})
	if err != nil {
		return err
	}
	const tries = 20
	var last error
	for range tries {
		c := ownCommand(followVerb, string(options))()
		c.Stderr = unguarded(stderr) // the child guards its own
		if last = c.Run(); last == nil {
			return nil
		}
	}
	return nothingMeasured("rank %d gave up after %d tries: %w", p.Rank, tries, last)
}

// followVerb is the hidden verb of a follower's child.
const followVerb = "follow-child"

func followChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    followVerb,
		Short:  "Take part in what rank 0 measures",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var o childOptions
			if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
				return err
			}
			if o.Join == nil {
				return errors.New("there is nobody to follow")
			}
			b, err := openJoined(*o.Join, o.Zeros)
			if err != nil {
				return nothingMeasured("%w", err)
			}
			if err := b.Follow(); err != nil {
				// The context may be lost, so it is not closed: the process ends.
				return checkFailed("rank %d: %w", o.Join.Rank, err)
			}
			return b.Close()
		},
	}
}

// together narrows options to the processes of a run.
func together(o microbench.Options, p launcher.Place) microbench.Options {
	o.Processes, o.Nodes = p.Size, p.Nodes
	return o
}
