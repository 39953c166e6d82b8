package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"bench/datasets"
	"bench/datasets/catalog"
	"bench/reports"

	"github.com/spf13/cobra"
)

// catalogKinds are what the catalogue lists.
var catalogKinds = []string{"devices", "models", "systems", "stacks"}

func catalogCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "catalog [devices|models|systems|stacks] [NAME]",
		Short: "What is known: devices, models, systems, stacks; an entry as a template",
		Long: `catalog lists the catalogue, or prints one entry as JSON: a template for a file of
your own. Own entries live in ` + "`devices`, `systems` and `models`" + `, one JSON file
each, below $BENCH_CATALOG, or bench in the configuration folder
($XDG_CONFIG_HOME, ~/.config), where every verb finds them by the file's name.
A device file may be partial: {"like": "h100-sxm", "memory_gib": 96}.`,
		Example: `  bench catalog devices
  bench catalog devices h100-sxm > my-gpu.json`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "md"}, format) {
				return unknown("format", format, []string{"text", "json", "md"})
			}
			kind := "devices"
			if len(args) > 0 {
				kind = args[0]
			}
			if !slices.Contains(catalogKinds, kind) {
				return unknown("kind of entry", kind, catalogKinds)
			}
			if len(args) == 2 {
				entry, err := catalogEntry(kind, args[1])
				if err != nil {
					return err
				}
				return writeJSON(cmd.OutOrStdout(), entry)
			}
			if format == "md" {
				return catalogPage(cmd.OutOrStdout())
			}
			list := catalogList(kind)
			if format == "json" {
				return writeJSON(cmd.OutOrStdout(), list)
			}
			return catalogText(cmd.OutOrStdout(), list)
		},
	}
	c.Flags().StringVar(&format, "format", "text", "text, json, or md: all devices and systems, with the documents")
	return c
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func catalogEntry(kind, name string) (any, error) {
	switch kind {
	case "devices":
		return catalog.LookupOrLoad(name)
	case "systems":
		return catalog.SystemOrLoad(name)
	case "models":
		return catalog.ModelOrLoad(name)
	}
	d, err := catalog.Lookup(name)
	if err == nil && d.Calibration == nil {
		err = fmt.Errorf("%s has no calibration: bench calibrate makes one", d.ID)
	}
	return d.Calibration, err
}

func catalogList(kind string) any {
	switch kind {
	case "devices":
		return catalog.Devices()
	case "systems":
		return catalog.Systems()
	case "models":
		return catalog.Models()
	}
	calibrations := []*datasets.Calibration{}
	for _, d := range catalog.Devices() {
		if d.Calibration != nil {
			calibrations = append(calibrations, d.Calibration)
		}
	}
	return calibrations
}

// catalogText is a line an entry, within 80 columns.
func catalogText(w io.Writer, list any) error {
	or := func(v float64, text string) string {
		if v == 0 {
			return "?"
		}
		return text
	}
	switch list := list.(type) {
	case []datasets.Device:
		fmt.Fprintf(w, "%-20s %9s %12s %10s %8s %8s\n", "device", "memory", "bandwidth", "bf16 dense", "links", "host")
		for _, d := range list {
			p := d.PeakFLOPs[datasets.BF16].Value
			if p == 0 {
				p = d.PeakFLOPs[datasets.FP16].Value
			}
			fmt.Fprintf(w, "%-20s %9s %12s %10s %8s %8s\n", d.ID, or(d.MemoryBytes.Value, fmt.Sprintf("%.0f GiB", d.MemoryBytes.Value/(1<<30))),
				or(d.MemoryBandwidth.Value, fmt.Sprintf("%.4g GB/s", d.MemoryBandwidth.Value/1e9)), or(p, fmt.Sprintf("%.4g TF", p/1e12)),
				or(d.LinkBandwidth.Value, fmt.Sprintf("%.4g", d.LinkBandwidth.Value/1e9)), or(d.PCIeBandwidth.Value, fmt.Sprintf("%.4g", d.PCIeBandwidth.Value/1e9)))
		}
		fmt.Fprintln(w, "links, host: GB/s in one direction. ?: nobody publishes it, or there is none.")
	case []datasets.System:
		fmt.Fprintf(w, "%-16s %5s %-12s %6s %-14s %s\n", "system", "GPUs", "fabric", "domain", "network cards", "devices")
		for _, s := range list {
			fmt.Fprintf(w, "%-16s %5d %-12s %6d %-14s %s\n", s.ID, s.GPUs, s.Fabric, max(s.Domain, s.GPUs), s.Cards(), strings.Join(s.Devices, ", "))
		}
	case []datasets.Model:
		fmt.Fprintf(w, "%-24s %12s %7s %7s  %s\n", "model", "parameters", "layers", "hidden", "name")
		for _, m := range list {
			fmt.Fprintf(w, "%-24s %10.4g B %7d %7d  %s\n", m.ID, m.Parameters()/1e9, m.Layers, m.Hidden, reports.Clean(m.Name))
		}
	case []*datasets.Calibration:
		for _, c := range list {
			for _, s := range c.Stacks {
				laws := map[string]bool{}
				for _, l := range s.Laws {
					laws[l.Law] = true
				}
				fmt.Fprintf(w, "%s, %s: %s\n", c.Device, cmp.Or(strings.TrimSpace(s.Library+" "+s.Version), "unknown library"), strings.Join(slices.Sorted(maps.Keys(laws)), ", "))
			}
		}
	}
	return nil
}

// catalogPage is docs/devices.md: each device with its figures and documents.
func catalogPage(w io.Writer) error {
	fmt.Fprint(w, `# Devices and systems
<!-- figures: made by `+"`make devices-doc`"+` -->

Made by `+"`bench catalog --format md`"+` from datasets/catalog/devices.json. FLOP/s are dense; links, host and network are GB/s in one direction, half of what
vendors print for both; memory is in 2^30 bytes. What is empty nobody publishes, or the device does not have. `+"`bench catalog devices NAME`"+` prints an entry with
the document of each figure, as a template: change it, put it in a file, and give it by --device FILE.json, or keep it as devices/NAME.json below $BENCH_CATALOG
(or ~/.config/bench), where every verb finds it. A file may be partial: {"like": "h100-sxm", "memory_gib": 96, "source": "a quote"}.

| device | as the driver prints it | memory | GB/s | TFLOP/s by type | SMs | L2, MiB | links | joined | host | network | W |
|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|
`)
	n := func(v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.4g", v)
	}
	for _, d := range catalog.Devices() {
		var peaks []string
		for _, t := range datasets.DTypes {
			if p := d.PeakFLOPs[t].Value; p > 0 {
				peaks = append(peaks, fmt.Sprintf("%s %s", t, n(p/1e12)))
			}
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %d | %s | %s | %d | %s | %s | %s |\n", d.ID, d.Name, n(d.MemoryBytes.Value/(1<<30)), n(d.MemoryBandwidth.Value/1e9),
			strings.Join(peaks, ", "), d.Units, n(d.Cache(2).SizeBytes.Value/(1<<20)), n(d.LinkBandwidth.Value/1e9), d.NodeSize,
			n(d.PCIeBandwidth.Value/1e9), n(d.NetworkBandwidth.Value/1e9), n(d.TDPWatt.Value))
	}
	fmt.Fprint(w, "\n## Systems\n\n| system | name | GPUs a host | fabric | joined | network cards | devices | source |\n|---|---|---:|---|---:|---|---|---|\n")
	for _, s := range catalog.Systems() {
		fmt.Fprintf(w, "| %s | %s | %d | %s | %d | %s | %s | %s |\n", s.ID, s.Name, s.GPUs, s.Fabric, max(s.Domain, s.GPUs), s.Cards(), strings.Join(s.Devices, ", "), s.Source)
	}
	return nil
}
