package session

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"bench/datasets"
	"bench/microbench"
	"bench/microbench/child"
	"bench/microbench/launcher"
	"bench/probes"
)

// TargetOptions say what a run measures.
type TargetOptions struct {
	// Device is auto (the GPUs, or else the host), host, cuda (every GPU), or
	// cuda:0,1.
	Device string
	// Library makes the host's matrix products: one of microbench.Libraries.
	Library string
	// Zeros fills a GPU's operands with zeros.
	Zeros bool
	// LockClocks holds the GPUs' SM clock at so many MHz, or at "boost"; "" leaves
	// it as it is.
	LockClocks string
	// Place is this process's among those that measure together.
	Place launcher.Place
}

// ParseDevice reads TargetOptions.Device: the kind, and the numbers of the GPUs, nil
// being all.
func ParseDevice(s string) (kind string, gpus []int, err error) {
	if s == "auto" || s == "host" || s == "cuda" {
		return s, nil, nil
	}
	unknown := fmt.Errorf("unknown device %q: use one of auto, host, cuda, cuda:0,1", s)
	list, ok := strings.CutPrefix(s, "cuda:")
	if !ok {
		return "", nil, unknown
	}
	for _, word := range strings.Split(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return "", nil, unknown
		}
		if slices.Contains(gpus, n) {
			return "", nil, fmt.Errorf("--device %s names cuda:%d twice", s, n)
		}
		gpus = append(gpus, n)
	}
	return "cuda", gpus, nil
}

// Target is the device, or the GPUs, that a run measures.
type Target struct {
	// Name is what --device takes for it, with nothing left to chance.
	Name string
	// Notice says which device auto took, and why; "" where the user named it.
	Notice  string
	Devices []datasets.Device
	options TargetOptions
	// backend has every device of the run.
	backend *child.Backend
	child   childOptions
	uuids   []string
	nvml    *probes.GPUs
	// unlock lets the clocks go.
	unlock func()
}

// openTarget starts the backend that the options ask for.
func openTarget(o TargetOptions) (*Target, error) {
	kind, gpus, err := ParseDevice(o.Device)
	if err != nil {
		return nil, err
	}
	notice := ""
	if kind != "host" {
		t, err := OpenGPUs(o, gpus)
		if err == nil {
			if kind == "auto" {
				t.Notice = fmt.Sprintf("measuring %s: %s", t.Name, t.backend.Where())
			}
			if o.Library != microbench.Libraries[0] {
				t.Close()
				return nil, fmt.Errorf("--library %s is the host's: on a GPU cuBLASLt makes the products of suite gemm", o.Library)
			}
			return t, nil
		}
		if kind == "cuda" {
			return nil, nothing("no GPU can be measured: %w", err)
		}
		notice = fmt.Sprintf("measuring the host, since no GPU can be used: %v", err)
	}
	if o.Zeros {
		return nil, fmt.Errorf("--zeros has no meaning for the host: it shows what a GPU's operands do to its power")
	}
	if o.LockClocks != "" {
		return nil, fmt.Errorf("--lock-clocks has no meaning for the host: it is for GPUs")
	}
	t := &Target{Name: "host", Notice: notice, options: o, child: childOptions{Kind: "host", Library: o.Library}}
	if t.backend, err = startChild(t.child); err != nil {
		return nil, &NothingError{err}
	}
	t.Devices = []datasets.Device{t.backend.Device()}
	return t, nil
}

// OpenGPUs opens the GPUs of those numbers, nil being all; or, of several processes
// that measure together, this one's.
func OpenGPUs(o TargetOptions, gpus []int) (*Target, error) {
	t := &Target{options: o, child: childOptions{Kind: "cuda", GPUs: gpus, Zeros: o.Zeros}}
	if !o.Place.Alone() {
		t.child.Join = &o.Place
	}
	var err error
	if t.backend, err = startChild(t.child); err != nil {
		return nil, err
	}
	t.Devices, t.uuids = t.backend.Devices(), t.backend.UUIDs()
	if gpus == nil {
		for i := range t.uuids {
			gpus = append(gpus, i)
		}
	}
	t.child.GPUs = gpus
	var words []string
	for _, n := range gpus {
		words = append(words, strconv.Itoa(n))
	}
	t.Name = "cuda:" + strings.Join(words, ",")
	if t.nvml, err = probes.ThisMachinesGPUs(); err != nil {
		t.nvml = nil // libcuda works without it; the loop says what is not watched
	}
	return t, nil
}

// Environment is the backend's.
func (t *Target) Environment() map[string]string { return t.backend.Environment() }

// Close lets the clocks go and ends the backend.
func (t *Target) Close() {
	if t.unlock != nil {
		t.unlock()
	}
	t.backend.Close()
}

// Part is what one backend measures of a run: the host's plan, a GPU's cases of
// one GPU, or those of several GPUs together.
type Part struct {
	// Title names it, where there are several.
	Title string
	Plan  microbench.Plan
	// Device is the (first) device that measures it.
	Device *datasets.Device
	// gpus are the driver's numbers, nil for the host, and uuid that of the rows.
	gpus    []int
	uuid    string
	several bool
}

// owns reports whether an earlier run's row is the part's.
func (p *Part) owns(row *datasets.Row) bool {
	return row.DeviceUUID == p.uuid && (row.Workload.Workers() > 1) == p.several || p.gpus == nil
}

// of are the rows that the part owns.
func (p *Part) of(rows []datasets.Row) (out []datasets.Row) {
	for i := range rows {
		if p.owns(&rows[i]) {
			out = append(out, rows[i])
		}
	}
	return out
}

// parts plans the run: cases of one GPU run on each in turn, and those of several
// on all together.
func (t *Target) parts(o microbench.Options) (out []Part, err error) {
	if t.child.Kind == "host" {
		plan, err := microbench.NewPlan(t.Devices[0], o)
		return []Part{{Plan: plan, Device: &t.Devices[0]}}, err
	}
	var together microbench.Plan
	for i := range t.Devices {
		dev := &t.Devices[i]
		whole, err := microbench.NewPlan(*dev, o)
		if err != nil {
			return nil, err
		}
		alone := whole.Part(func(w datasets.Workload) bool { return w.Workers() <= 1 })
		if i == 0 {
			together = whole.Part(func(w datasets.Workload) bool { return w.Workers() > 1 })
		}
		if len(alone.Workloads) > 0 {
			out = append(out, Part{Title: fmt.Sprintf("cuda:%d, %s", t.child.GPUs[i], dev.Name), Plan: alone, Device: dev, gpus: t.child.GPUs[i : i+1], uuid: t.uuids[i]})
		}
	}
	if len(together.Workloads) > 0 {
		out = append(out, Part{Title: t.Name + " together", Plan: together, Device: &t.Devices[0], gpus: t.child.GPUs, uuid: t.uuids[0], several: true})
	}
	return out, nil
}

// open is the backend of a part: the one that has every device, where those are
// the part's, else one of its own. Only one holds a GPU at a time.
func (t *Target) open(p *Part) (b *child.Backend, done func(), err error) {
	if p.gpus == nil || len(p.gpus) == len(t.child.GPUs) {
		return t.backend, func() {}, nil
	}
	if err := t.backend.Close(); err != nil { // it starts again when it is needed
		return nil, nil, err
	}
	o := t.child
	o.GPUs = p.gpus
	if b, err = startChild(o); err != nil {
		return nil, nil, err
	}
	return b, func() { b.Close() }, nil
}

// distinct are the devices by their catalogue names, each once.
func (t *Target) distinct() (out []datasets.Device) {
	for _, d := range t.Devices {
		if !slices.ContainsFunc(out, func(o datasets.Device) bool { return o.ID == d.ID }) {
			out = append(out, d)
		}
	}
	return out
}

// describe adds what NVML knows of the GPUs to a run's provenance: first what the
// node lacks, then what speaks against measuring.
func (t *Target) describe(m *datasets.Meta) {
	if t.nvml == nil {
		return
	}
	m.Environment["nvidia_driver"] = t.nvml.Driver.String()
	m.Environment["nvml"] = t.nvml.NVML.String() + " at " + t.nvml.Library.String()
	m.Notes = append(m.Notes, t.nvml.Shortfalls()...)
	for i := range t.nvml.Devices {
		g := &t.nvml.Devices[i]
		if !slices.Contains(t.uuids, g.UUID.Value) {
			continue
		}
		for _, c := range g.Concerns() {
			m.Notes = append(m.Notes, fmt.Sprintf("GPU %s: %s", g.UUID.Value, c))
		}
	}
}

// ChildVerb is the hidden verb that serves a backend to another bench process. Its
// one argument is a childOptions in JSON, which ServeChild reads.
const ChildVerb = "measure-child"

// childOptions say which backend a child opens.
type childOptions struct {
	// Kind is "host" or "cuda".
	Kind string `json:"kind"`
	// Library makes the host's matrix products.
	Library string `json:"library,omitempty"`
	// GPUs are the driver's numbers, nil being all.
	GPUs  []int           `json:"gpus,omitempty"`
	Zeros bool            `json:"zeros,omitempty"`
	Join  *launcher.Place `json:"join,omitempty"`
	// Again is set for a child that takes another's place.
	Again bool `json:"again,omitempty"`
}

// hostLimits are generous: nothing hangs there but for a bug, and a check of a
// large answer on a slow machine takes minutes.
var hostLimits = child.Limits{Open: time.Minute, Prepare: 10 * time.Minute, Check: 10 * time.Minute,
	Other: time.Minute, Batch: 2 * time.Minute, Times: 20}

// startChild starts a backend in a process of its own.
func startChild(o childOptions) (*child.Backend, error) {
	c := child.Config{Command: func() *exec.Cmd {
		options, _ := json.Marshal(o) // words and numbers always can be
		o.Again = true
		return ownCommand(ChildVerb, string(options))
	}, Device: "GPU", Limits: child.DefaultLimits}
	if o.Kind == "host" {
		c.Device, c.Limits = "host's measuring process", hostLimits
	}
	if o.Join != nil {
		c.Limits.Open += joinWithin
	}
	return child.Start(c)
}

// ServeChild is the whole child of startChild; it returns the exit code.
func ServeChild(options string) int {
	return child.Main(func() (microbench.Backend, error) {
		var o childOptions
		if err := json.Unmarshal([]byte(options), &o); err != nil {
			return nil, err
		}
		return openBackend(o)
	}, fatal)
}

// ownCommand is this very program with other arguments. It keeps its name, which
// tests use to tell the program from themselves.
func ownCommand(args ...string) *exec.Cmd {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return &exec.Cmd{Path: path, Args: append([]string{os.Args[0]}, args...)}
}
