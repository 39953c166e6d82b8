package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
	"bench/microbench"
	"bench/microbench/child"
	"bench/microbench/host"
	"bench/microbench/launcher"
	"bench/probes"
)

// deviceWords are what --device takes.
var deviceWords = []string{"auto", "host", "cuda", "cuda:0,1"}

// parseDevice reads --device: the kind, and the numbers of the GPUs, nil being
// all.
func parseDevice(s string) (kind string, gpus []int, err error) {
	if s == "auto" || s == "host" || s == "cuda" {
		return s, nil, nil
	}
	list, ok := strings.CutPrefix(s, "cuda:")
	if !ok {
		return "", nil, unknown("device", s, deviceWords)
	}
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return "", nil, unknown("device", s, deviceWords)
		}
		if slices.Contains(gpus, n) {
			return "", nil, fmt.Errorf("--device %s names cuda:%d twice", s, n)
		}
		gpus = append(gpus, n)
	}
	return "cuda", gpus, nil
}

// target is the device, or the GPUs, that a run measures.
type target struct {
	kind string
	// name is what --device takes for it, with nothing left to chance.
	name string
	// backend has every device of the run.
	backend *child.Backend
	options childOptions
	devices []datasets.Device
	uuids   []string
	nvml    *probes.GPUs
}

// openTarget starts the backend that the flags ask for. auto takes the GPUs where
// one can be used and else the host, and says which and why.
func (f *runFlags) openTarget(stderr io.Writer, place launcher.Place) (*target, error) {
	kind, gpus, err := parseDevice(f.device)
	if err != nil {
		return nil, err
	}
	if kind == "cuda" || kind == "auto" {
		t, err := openGPUs(gpus, f.zeros, place)
		if err == nil {
			if kind == "auto" {
				fmt.Fprintf(stderr, "bench: measuring %s: %s\n", t.name, t.backend.Where())
			}
			return t, f.checkLibrary("cuda")
		}
		if kind == "cuda" {
			return nil, nothingMeasured("no GPU can be measured: %w", err)
		}
		fmt.Fprintf(stderr, "bench: measuring the host, since no GPU can be used: %v\n", err)
	}
	if err := f.checkLibrary("host"); err != nil {
		return nil, err
	}
	t := &target{kind: "host", name: "host", options: childOptions{Kind: "host", Library: f.library}}
	if t.backend, err = startChild(t.options); err != nil {
		return nil, nothingMeasured("%w", err)
	}
	t.devices = []datasets.Device{t.backend.Device()}
	return t, nil
}

// openGPUs opens the GPUs of those numbers, nil being all; or, of several processes
// that measure together, this one's.
func openGPUs(gpus []int, zeros bool, place launcher.Place) (*target, error) {
	t := &target{kind: "cuda", options: childOptions{Kind: "cuda", GPUs: gpus, Zeros: zeros}}
	if !place.Alone() {
		t.options.Join = &place
	}
	var err error
	if t.backend, err = startChild(t.options); err != nil {
		return nil, err
	}
	t.devices, t.uuids = t.backend.Devices(), t.backend.UUIDs()
	if gpus == nil {
		for i := range t.uuids {
			gpus = append(gpus, i)
		}
	}
	t.options.GPUs = gpus
	var words []string
	for _, n := range gpus {
		words = append(words, strconv.Itoa(n))
	}
	t.name = "cuda:" + strings.Join(words, ",")
	if t.nvml, err = probes.ThisMachinesGPUs(); err != nil {
		t.nvml = nil // libcuda works without it; the loop says what is not watched
	}
	return t, nil
}

// checkLibrary refuses flags that have no meaning for a kind of device.
func (f *runFlags) checkLibrary(kind string) error {
	switch {
	case kind == "cuda" && f.library != host.Libraries[0]:
		return fmt.Errorf("--library %s is the host's: on a GPU cuBLASLt makes the products of suite gemm", f.library)
	case kind == "host" && f.zeros:
		return fmt.Errorf("--zeros has no meaning for the host: it shows what a GPU's operands do to its power")
	case kind == "host" && f.lockClocks != "":
		return fmt.Errorf("--lock-clocks has no meaning for the host: it is for GPUs")
	}
	return nil
}

// close ends the backend.
func (t *target) close() { t.backend.Close() }

// part is what one backend measures of a run: the host's plan, a GPU's cases of
// one GPU, or those of several GPUs together.
type part struct {
	// title is said when it begins, where there are several.
	title string
	// gpus are the driver's numbers, nil for the host.
	gpus []int
	// uuid is that of the part's rows.
	uuid    string
	several bool
	plan    microbench.Plan
}

// owns reports whether an earlier run's row is the part's.
func (p *part) owns(row *datasets.Row) bool {
	return row.DeviceUUID == p.uuid && (row.Workload.Workers() > 1) == p.several || p.gpus == nil
}

// of are the rows that the part owns.
func (p *part) of(rows []datasets.Row) []datasets.Row {
	var out []datasets.Row
	for i := range rows {
		if p.owns(&rows[i]) {
			out = append(out, rows[i])
		}
	}
	return out
}

// parts plans the run: cases of one GPU run on each in turn, and those of several
// on all together.
func (t *target) parts(o microbench.Options) ([]part, error) {
	if t.kind == "host" {
		plan, err := microbench.NewPlan(t.devices[0], o)
		return []part{{plan: plan}}, err
	}
	var out []part
	var together microbench.Plan
	for i, dev := range t.devices {
		whole, err := microbench.NewPlan(dev, o)
		if err != nil {
			return nil, err
		}
		alone := whole.Part(func(w datasets.Workload) bool { return w.Workers() <= 1 })
		if i == 0 {
			together = whole.Part(func(w datasets.Workload) bool { return w.Workers() > 1 })
		}
		if len(alone.Workloads) > 0 {
			out = append(out, part{title: fmt.Sprintf("cuda:%d, %s", t.options.GPUs[i], dev.Name), gpus: t.options.GPUs[i : i+1], uuid: t.uuids[i], plan: alone})
		}
	}
	if len(together.Workloads) > 0 {
		out = append(out, part{title: t.name + " together", gpus: t.options.GPUs, uuid: t.uuids[0], several: true, plan: together})
	}
	return out, nil
}

// open is the backend of a part: the one that has every device, where those are
// the part's, else one of its own. Only one holds a GPU at a time.
func (t *target) open(p *part) (b *child.Backend, done func(), err error) {
	if p.gpus == nil || len(p.gpus) == len(t.options.GPUs) {
		return t.backend, func() {}, nil
	}
	if err := t.backend.Close(); err != nil { // it starts again when it is needed
		return nil, nil, err
	}
	o := t.options
	o.GPUs = p.gpus
	if b, err = startChild(o); err != nil {
		return nil, nil, err
	}
	return b, func() { b.Close() }, nil
}

// distinct are the devices by their catalogue names, each once.
func (t *target) distinct() []datasets.Device {
	var out []datasets.Device
	for _, d := range t.devices {
		if !slices.ContainsFunc(out, func(o datasets.Device) bool { return o.ID == d.ID }) {
			out = append(out, d)
		}
	}
	return out
}
