//go:build cgo && linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"bench/datasets"
	"bench/microbench/host"
	"bench/microbench/session"
	"bench/probes"
	"bench/reports"

	"github.com/spf13/cobra"
)

func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "What is here, what it should reach, how healthy it is, what can't run and why",
		Long: `devices lists the devices of this machine: what each is, the peaks that it
should reach and where each figure comes from, what speaks against measuring on
it now, and what cannot run here and why. It measures nothing but the CPU's clock.`,
		Example: "  bench devices",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var out bytes.Buffer
			if err := showHost(&out); err != nil {
				return nothingMeasured("%w", err)
			}
			showGPUs(&out)
			if unfinished := datasets.Unfinished(defaultOut); len(unfinished) > 0 {
				fmt.Fprintln(&out, "unfinished runs")
				for _, u := range unfinished {
					fmt.Fprintf(&out, "  %s\n", u)
				}
			}
			reports.Wrapped(cmd.OutOrStdout(), out.String(), width(cmd)) // run reports what could not be written
			return nil
		},
	}
}

func showHost(w io.Writer) error {
	b, err := host.New(host.Options{})
	if err != nil {
		return err
	}
	defer b.Close()
	h, dev := probes.ThisHost(), b.Device()
	fmt.Fprintf(w, "host: %s, %d cores\n", dev.Name, dev.Units)
	for _, l := range h.Lines() {
		fmt.Fprintf(w, "  %-14s %s\n", l.Name, l.Value)
	}
	env := b.Environment()
	for _, k := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(w, "  %-14s %s\n", strings.ReplaceAll(k, "_", " "), env[k])
	}
	fmt.Fprintf(w, "  %-14s %s\n", "timer", b.Clock())
	fmt.Fprintln(w, "  should reach")
	showFigure(w, "clock", dev.ClockHz, func(v float64) string { return fmt.Sprintf("%.3g GHz", v/1e9) })
	for _, t := range datasets.DTypes {
		if f, ok := dev.PeakFLOPs[t]; ok {
			showFigure(w, string(t), f, reports.FLOPsPerSecond)
		}
	}
	showFigure(w, "memory", dev.MemoryBandwidth, reports.BytesPerSecond)
	fmt.Fprintln(w, "  health")
	concerns := h.Concerns()
	if len(concerns) == 0 {
		concerns = []string{"nothing speaks against measuring now"}
	}
	for _, c := range concerns {
		fmt.Fprintf(w, "    %s\n", c)
	}
	return nil
}

func showFigure(w io.Writer, name string, f datasets.Figure, format func(float64) string) {
	if f.Value == 0 {
		fmt.Fprintf(w, "    %-12s not known: nothing is published for this machine\n", name)
		return
	}
	fmt.Fprintf(w, "    %-12s %s  (%s: %s)\n", name, format(f.Value), f.Origin, f.Source)
}

func showGPUs(w io.Writer) {
	gpus, err := probes.ThisMachinesGPUs()
	if err != nil {
		fmt.Fprintf(w, "nvml: %v\n", err)
		showCUDA(w)
		return
	}
	for _, s := range gpus.Shortfalls() {
		fmt.Fprintf(w, "this node is not whole: %s\n", s)
	}
	for i := range gpus.Devices {
		g := &gpus.Devices[i]
		fmt.Fprintf(w, "cuda:%d: %s (%s)\n", g.Index, g.Name, g.UUID)
		fmt.Fprintf(w, "  %-14s driver %s, CUDA %s, NVML %s at %s\n", "software", gpus.Driver, gpus.CUDA, gpus.NVML, gpus.Library)
		fmt.Fprintf(w, "  %-14s compute capability %s, %s of memory, clock at most %s, power limit %s, NVLinks %s\n", "device",
			g.ComputeCapability, shown(g.MemoryBytes, func(v int64) string { return reports.Bytes(float64(v)) }),
			shown(g.MaxSMClockHz, func(v float64) string { return fmt.Sprintf("%.0f MHz", v/1e6) }),
			shown(g.PowerLimitWatt, func(v float64) string { return fmt.Sprintf("%.0f W", v) }), shown(g.NVLinks, probes.Links.String))
		concerns := g.Concerns()
		if len(concerns) == 0 {
			concerns = []string{"nothing speaks against measuring now"}
		}
		for _, c := range concerns {
			fmt.Fprintf(w, "  %-14s %s\n", "health", c)
		}
	}
	showCUDA(w)
}

// showCUDA says with which libraries the suites would run on the GPUs, or why
// they would not.
func showCUDA(w io.Writer) {
	t, err := session.OpenGPUs(session.TargetOptions{}, nil)
	if err != nil {
		fmt.Fprintf(w, "cuda: no suite can run on a GPU: %v\n", err)
		return
	}
	defer t.Close()
	env := t.Environment()
	fmt.Fprintln(w, "cuda")
	for _, k := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(w, "  %-14s %s\n", k, env[k])
	}
	dev := t.Devices[0]
	fmt.Fprintln(w, "  should reach")
	for _, t := range datasets.DTypes {
		if f, ok := dev.PeakFLOPs[t]; ok {
			showFigure(w, string(t), f, reports.FLOPsPerSecond)
		}
	}
	showFigure(w, "memory", dev.MemoryBandwidth, reports.BytesPerSecond)
}

func shown[T any](r probes.Reading[T], format func(T) string) string {
	if r.Unread != "" {
		return r.Unread
	}
	return format(r.Value)
}
