//go:build cgo && linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/microbench"
	"bench/microbench/session"
	"bench/reports"

	// humanize: sizes as people write them, 256MiB and 64k alike.
	"github.com/dustin/go-humanize"
	// go-pretty: aligned tables.
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/pflag"
)

// planFlags decide what is measured. A journal keeps them, and --resume takes
// them from there.
type planFlags struct {
	suites, dtypes, sizes, models []string
	profile, trace                string
	target                        session.TargetOptions
	join                          bool
	batches, contexts             []int64
	ranks                         []int
	zipfExponent                  float64
	seed                          uint64
	time                          time.Duration
}

func (p *planFlags) register(f *pflag.FlagSet) {
	f.StringVar(&p.target.Device, "device", "auto", "what to measure: auto (the GPUs, or else the host), host, cuda (every GPU), or cuda:0,1")
	f.BoolVar(&p.join, "join", false, "measure collectives over the processes that torchrun, srun or mpirun started, one a GPU")
	f.BoolVar(&p.target.Zeros, "zeros", false, "on a GPU, fill operands with zeros: what the data do to power and clock")
	f.StringSliceVar(&p.suites, "suite", nil, "suites to measure: "+words(datasets.Suites)+" (default all)")
	f.StringVar(&p.profile, "profile", string(microbench.Quick), "how thorough: "+words(microbench.Profiles))
	f.DurationVar(&p.time, "time", 0, "time of the whole run, such as 90s (default the profile's: 1m for quick, 5m for standard)")
	f.StringSliceVar(&p.dtypes, "dtype", nil, "element types, instead of the profile's")
	f.StringSliceVar(&p.sizes, "size", nil, "working sets of hbm and buffers of allreduce, such as 64KiB,128MiB")
	f.Int64SliceVar(&p.batches, "batch", nil, "batches of decode, tokens of moe, rows m of a skinny gemm")
	f.Int64SliceVar(&p.contexts, "context", nil, "context lengths of decode, in tokens")
	f.StringSliceVar(&p.models, "model", nil, "models whose layer decode measures, from the catalogue")
	f.IntSliceVar(&p.ranks, "ranks", nil, "numbers of workers, instead of one and all")
	f.Float64Var(&p.zipfExponent, "zipf-exponent", 0, "exponent of moe's Zipf routing (default 1)")
	f.StringVar(&p.trace, "trace", "", "a recorded routing for moe to replay: a file that begins \"bench-routing 1 experts=8 top_k=2\"")
	f.StringVar(&p.target.Library, "library", microbench.Libraries[0], "what makes the host's matrix products of suite gemm: "+words(microbench.Libraries))
	f.Uint64Var(&p.seed, "seed", 1, "seed of the routings that draw")
}

// options reads the flags' words.
func (p *planFlags) options() (microbench.Options, error) {
	o := microbench.Options{Batches: p.batches, Contexts: p.contexts, Ranks: p.ranks, ZipfExponent: p.zipfExponent, Seed: p.seed,
		Profile: microbench.Profile(p.profile), Time: p.time}
	if !slices.Contains(microbench.Libraries, p.target.Library) {
		return o, unknown("library", p.target.Library, microbench.Libraries)
	}
	for _, s := range p.suites {
		o.Suites = append(o.Suites, datasets.Suite(s))
	}
	for _, s := range p.dtypes {
		t, err := datasets.ParseDType(s)
		if err != nil {
			return o, err
		}
		o.DTypes = append(o.DTypes, t)
	}
	for _, s := range p.sizes {
		n, err := humanize.ParseBytes(s)
		if err != nil || n == 0 || n > 1<<50 {
			return o, fmt.Errorf("unknown size %q: write a number of bytes, kB, MB, GB, KiB, MiB or GiB, such as 64KiB", s)
		}
		o.SizesBytes = append(o.SizesBytes, int64(n))
	}
	for _, s := range p.models {
		m, err := catalog.Model(s)
		if err != nil {
			return o, err
		}
		o.Models = append(o.Models, m)
	}
	if p.trace != "" {
		t, err := datasets.ReadTraceFile(p.trace)
		if err != nil {
			return o, err
		}
		o.Trace = t
	}
	return o, nil
}

// planCommand is the command line that plans the same again, flag by flag, on the
// device that was chosen.
func planCommand(flags *pflag.FlagSet, device string) []string {
	plan := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(planFlags).register(plan)
	out := []string{"bench", "run"}
	flags.Visit(func(f *pflag.Flag) {
		if plan.Lookup(f.Name) != nil && f.Name != "device" {
			out = append(out, "--"+f.Name+"="+strings.Trim(f.Value.String(), "[]"))
		}
	})
	return append(out, "--device="+device)
}

// adopt takes the plan's flags from the command line that began a run. One
// that is given again must not say otherwise.
func (f *runFlags) adopt(given *pflag.FlagSet, command []string) error {
	then := planFlags{}
	flags := pflag.NewFlagSet("journal", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	then.register(flags)
	if err := flags.Parse(command[2:]); err != nil {
		return fmt.Errorf("the journal's command line is not one of this program's: %w", err)
	}
	var differs error
	given.Visit(func(g *pflag.Flag) {
		if was := flags.Lookup(g.Name); was != nil && was.Value.String() != g.Value.String() && differs == nil {
			differs = fmt.Errorf("the run was begun with --%s %s, not %s: leave out the flag to go on", g.Name, was.Value, g.Value)
		}
	})
	then.target.LockClocks, then.target.Place = f.target.LockClocks, f.target.Place
	f.planFlags = then
	return differs
}

// listParts prints every part's plan.
func listParts(w io.Writer, parts []session.Part) error {
	for i := range parts {
		if len(parts) > 1 {
			fmt.Fprintf(w, "%s:\n", parts[i].Title)
		}
		if err := listPlan(w, parts[i].Device, parts[i].Plan); err != nil {
			return err
		}
	}
	return nil
}

// listPlan prints each workload with its arithmetic, and the time of it all.
func listPlan(w io.Writer, dev *datasets.Device, p microbench.Plan) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.AppendHeader(table.Row{"workload", "FLOP", "bytes", "wire bytes a rank", "FLOP/byte", "at most"})
	or := func(v float64, format func(float64) string) string {
		if v == 0 {
			return "-"
		}
		return format(v)
	}
	for _, x := range p.Workloads {
		t.AppendRow(table.Row{x.Key(), or(x.FLOPs(), reports.FLOPs), or(x.Bytes(), reports.Bytes), or(x.WireBytes(), reports.Bytes),
			or(datasets.Intensity(x), func(v float64) string { return fmt.Sprintf("%.3g", v) }), p.CaseBudget().Round(10 * time.Millisecond)})
	}
	_, err := fmt.Fprintf(w, "%s\n\n%d cases on %s (%s), at most %s with what is repeated; nothing was measured\n",
		t.Render(), len(p.Workloads), dev.ID, dev.Name, p.Estimate().Round(time.Second))
	return err
}
