package probes

import (
	"fmt"
	"strconv"
	"strings"

	"bench/datasets"
)

// Line is one figure of an inventory, for people.
type Line struct{ Name, Value string }

// Lines lists the inventory, with why what could not be read.
func (h *Host) Lines() []Line {
	return []Line{
		{"host", h.Name},
		{"system", h.OS + "/" + h.Arch + ", kernel " + h.Kernel.String()},
		{"cpu", h.CPU.String() + " (" + h.Vendor.String() + ")"},
		{"microcode", h.Microcode.String()},
		{"cores", cores(h)},
		{"isa", list(h.ISA)},
		{"caches", describeCaches(h.Caches)},
		{"numa", describeNUMA(h.NUMA)},
		{"memory", bytesOf(h.MemoryBytes) + ", " + bytesOf(h.AvailableBytes) + " available"},
		{"hypervisor", h.Hypervisor.String()},
		{"governor", h.Governor.String()},
		{"turbo", h.Turbo.String()},
		{"frequency", hertz(h.CurrentHz) + " now, " + hertz(h.MaxHz) + " at most"},
		{"huge pages", h.HugePages.String()},
		{"load average", h.LoadAverage.String()},
		{"cgroup limits", "CPUs " + h.CPULimit.String() + ", memory " + bytesOf(h.MemoryLimitBytes)},
	}
}

// Environment is Lines with stable keys, for a run's metadata.
func (h *Host) Environment() map[string]string {
	env := map[string]string{}
	for _, l := range h.Lines() {
		env[strings.ReplaceAll(l.Name, " ", "_")] = l.Value
	}
	return env
}

// Fingerprint is equal for runs whose times may stand in one file: the same
// CPU with the same cores, caches, memory, microcode and kernel, under the same
// hypervisor and limits. What merely moves (load, clock, free memory) is not in
// it. Differences of the parts name what changed.
func (h *Host) Fingerprint() Fingerprint {
	return Fingerprint{
		{"host", h.Name},
		{"system", h.OS + "/" + h.Arch},
		{"kernel", h.Kernel.String()},
		{"cpu", h.CPU.String()},
		{"microcode", h.Microcode.String()},
		{"cores", cores(h)},
		{"isa", list(h.ISA)},
		{"caches", describeCaches(h.Caches)},
		{"memory", h.MemoryBytes.String()},
		{"hypervisor", h.Hypervisor.String()},
		{"cgroup limits", h.CPULimit.String() + ", " + h.MemoryLimitBytes.String()},
	}
}

// Fingerprint identifies a machine by named parts.
type Fingerprint []Line

// String is one line of text, "name=value; …", that ParseFingerprint reads.
func (f Fingerprint) String() string {
	parts := make([]string, len(f))
	for i, l := range f {
		parts[i] = l.Name + "=" + strings.ReplaceAll(l.Value, ";", ",")
	}
	return strings.Join(parts, "; ")
}

// Differences names each part of the fingerprint text a that b has otherwise.
func Differences(a, b string) []string {
	var out []string
	for _, d := range datasets.FingerprintDifferences(a, b) {
		out = append(out, fmt.Sprintf("%s was %q and is %q", d.Part, d.Was, d.Is))
	}
	return out
}

// Concerns says in words what speaks against trusting times measured on the
// host now, or makes them hard to compare.
func (h *Host) Concerns() []string {
	var out []string
	if v := h.Hypervisor; v.Unread == "" && v.Value != "none" {
		out = append(out, "this is a guest of a hypervisor ("+v.Value+"): other guests share its caches and memory, unseen")
	}
	if n := len(h.CPUs.Value); h.LoadAverage.Unread == "" && n > 0 && h.LoadAverage.Value > 0.1*float64(n) {
		out = append(out, fmt.Sprintf("the load average is %.2f on %d CPUs: other processes are running", h.LoadAverage.Value, n))
	}
	if h.LoadAverage.Unread != "" {
		out = append(out, "health is not known: "+h.LoadAverage.Unread)
	}
	if g := h.Governor; g.Unread == "" && g.Value != "performance" {
		out = append(out, "the frequency governor is "+g.Value+", so the clock follows the load")
	}
	if h.Cores.Unread == "" && len(h.CPUs.Value) > h.Cores.Value {
		out = append(out, "cores are shared by SMT threads: one worker a core is used")
	}
	return out
}

func cores(h *Host) string {
	s := fmt.Sprintf("%s in %s sockets", h.Cores, h.Sockets)
	if h.CPUs.Unread == "" {
		s += fmt.Sprintf(", %d CPUs online", len(h.CPUs.Value))
	}
	if h.Allowed.Unread == "" && len(h.Allowed.Value) != len(h.CPUs.Value) {
		s += fmt.Sprintf(", %d allowed to this process", len(h.Allowed.Value))
	}
	return s
}

func list(r Reading[[]string]) string {
	if r.Unread != "" {
		return r.Unread
	}
	return strings.Join(r.Value, " ")
}

func describeCaches(r Reading[[]Cache]) string {
	if r.Unread != "" {
		return r.Unread
	}
	var out []string
	for _, c := range r.Value {
		shared := "one CPU or more"
		if len(c.SharedBy) > 0 {
			shared = strconv.Itoa(len(c.SharedBy))
		}
		out = append(out, fmt.Sprintf("L%d %s shared by %s", c.Level, bytesOf(Reading[int64]{Value: c.SizeBytes}), shared))
	}
	return strings.Join(out, ", ")
}

func describeNUMA(r Reading[[]NUMANode]) string {
	if r.Unread != "" {
		return r.Unread
	}
	var out []string
	for _, n := range r.Value {
		out = append(out, fmt.Sprintf("node %d: %d CPUs, %s", n.ID, len(n.CPUs), bytesOf(Reading[int64]{Value: n.MemoryBytes})))
	}
	return strings.Join(out, "; ")
}

func bytesOf(r Reading[int64]) string {
	if r.Unread != "" {
		return r.Unread
	}
	v, unit := float64(r.Value), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}

func hertz(r Reading[float64]) string {
	if r.Unread != "" {
		return r.Unread
	}
	return strconv.FormatFloat(r.Value/1e9, 'g', 4, 64) + " GHz"
}
