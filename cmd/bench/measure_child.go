package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"bench/cuda"
	"bench/microbench"
	"bench/microbench/child"
	"bench/microbench/gpu"
	"bench/microbench/host"
	"bench/microbench/launcher"

	"github.com/spf13/cobra"
)

// childVerb is the hidden verb that serves a backend to another bench process.
const childVerb = "measure-child"

// childOptions say which backend a child opens.
type childOptions struct {
	// Kind is "host" or "cuda".
	Kind string `json:"kind"`
	// Library makes the host's matrix products.
	Library string `json:"library,omitempty"`
	// GPUs are the driver's numbers, nil being all. Zeros fills operands with
	// zeros.
	GPUs  []int `json:"gpus,omitempty"`
	Zeros bool  `json:"zeros,omitempty"`
	// Join is this process's place among those that measure together.
	Join *launcher.Place `json:"join,omitempty"`
}

func measureChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    childVerb,
		Short:  "Serve a backend to another bench process",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if code := child.Main(openBackend, fatal); code != 0 {
				os.Exit(code)
			}
			return nil
		},
	}
}

func openBackend(text json.RawMessage) (microbench.Backend, error) {
	var o childOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, err
	}
	switch o.Kind {
	case "host":
		return host.New(host.Options{Library: o.Library})
	case "cuda":
		if o.Join != nil {
			return openJoined(*o.Join, o.Zeros)
		}
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

// hostLimits are generous: nothing hangs there but for a bug, and a check of a
// large answer on a slow machine takes minutes.
var hostLimits = child.Limits{Open: time.Minute, Prepare: 10 * time.Minute, Check: 10 * time.Minute,
	Other: time.Minute, Batch: 2 * time.Minute, Times: 20}

// startChild starts a backend in a process of its own.
func startChild(o childOptions) (*child.Backend, error) {
	c := child.Config{Command: ownCommand(childVerb), Options: o, Device: "GPU"}
	if o.Kind == "host" {
		c.Device, c.Limits = "host's measuring process", hostLimits
	}
	if o.Join != nil {
		c.Limits = child.DefaultLimits
		c.Limits.Open += joinWithin
	}
	return child.Start(c)
}

// ownCommand is this very program with other arguments. It keeps its name, which
// tests use to tell the program from themselves.
func ownCommand(args ...string) func() *exec.Cmd {
	return func() *exec.Cmd {
		path, err := os.Executable()
		if err != nil {
			path = os.Args[0]
		}
		return &exec.Cmd{Path: path, Args: append([]string{os.Args[0]}, args...)}
	}
}
