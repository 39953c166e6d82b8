package probes

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"bench/datasets"
	"bench/datasets/catalog"
)

// linkBytesPerS is one NVLink in one direction: 25 GB/s of the third and the
// fourth generation alike (NVIDIA A100 whitepaper, "Third-Generation NVLink";
// H100 whitepaper, "Fourth-Generation NVLink"), which are those of the
// catalogue's devices.
const linkBytesPerS = 25e9

// Links is what a GPU's NVLinks are connected to.
type Links struct {
	Up int
	// ToSwitch, ToGPU and ToOther count the links that are up by what is at
	// their far end, where NVML says it.
	ToSwitch, ToGPU, ToOther int
}

// readLinks reads every link, with why there is nothing to read.
func readLinks(d nvml.Device) Reading[Links] {
	var out Reading[Links]
	for link := range nvml.NVLINK_MAX_LINKS {
		state, ret := d.GetNvLinkState(link)
		if ret != nvml.SUCCESS {
			if link == 0 {
				out.Unread = "NVML: " + ret.Error()
			}
			break
		}
		if state != nvml.FEATURE_ENABLED {
			continue
		}
		out.Value.Up++
		switch kind, ret := d.GetNvLinkRemoteDeviceType(link); {
		case ret != nvml.SUCCESS:
		case kind == nvml.NVLINK_DEVICE_TYPE_SWITCH:
			out.Value.ToSwitch++
		case kind == nvml.NVLINK_DEVICE_TYPE_GPU:
			out.Value.ToGPU++
		default:
			out.Value.ToOther++
		}
	}
	return out
}

func (l Links) String() string {
	if l.Up == 0 {
		return "none up"
	}
	var to []string
	for _, e := range []struct {
		n    int
		what string
	}{{l.ToSwitch, "to NVSwitch"}, {l.ToGPU, "to a GPU"}, {l.ToOther, "to something else"}} {
		if e.n > 0 {
			to = append(to, fmt.Sprintf("%d %s", e.n, e.what))
		}
	}
	if len(to) == 0 {
		return fmt.Sprintf("%d up", l.Up)
	}
	return fmt.Sprintf("%d up (%s)", l.Up, strings.Join(to, ", "))
}

// readP2P is the status between every two GPUs: "ok", or why one cannot read
// the other's memory over NVLink; "" on the diagonal.
func readP2P(devices []nvml.Device) [][]string {
	out := make([][]string, len(devices))
	for i, a := range devices {
		out[i] = make([]string, len(devices))
		for j, b := range devices {
			if i == j {
				continue
			}
			status, ret := a.GetP2PStatus(b, nvml.P2P_CAPS_INDEX_NVLINK)
			out[i][j] = p2pStatus(status)
			if ret != nvml.SUCCESS {
				out[i][j] = "NVML: " + ret.Error()
			}
		}
	}
	return out
}

// p2pStatus names nvmlGpuP2PStatus_t (nvml.h).
func p2pStatus(s nvml.GpuP2PStatus) string {
	switch s {
	case nvml.P2P_STATUS_OK:
		return "ok"
	case nvml.P2P_STATUS_CHIPSET_NOT_SUPPORTED:
		return "the chipset cannot"
	case nvml.P2P_STATUS_GPU_NOT_SUPPORTED:
		return "the GPU cannot"
	case nvml.P2P_STATUS_IOH_TOPOLOGY_NOT_SUPPORTED:
		return "the topology cannot"
	case nvml.P2P_STATUS_DISABLED_BY_REGKEY:
		return "disabled by the driver's settings"
	case nvml.P2P_STATUS_NOT_SUPPORTED:
		return "not supported"
	}
	return "unknown"
}

// Shortfalls says what the node has less of than its model should: GPUs, links,
// or paths between GPUs. It comes before everything else that is said of a node.
func (g *GPUs) Shortfalls() []string {
	var out []string
	byModel := map[string][]*GPU{}
	var order []string
	for i := range g.Devices {
		id, ok := catalog.Match(g.Devices[i].Name.Value)
		if !ok {
			continue
		}
		if byModel[id] == nil {
			order = append(order, id)
		}
		byModel[id] = append(byModel[id], &g.Devices[i])
	}
	for _, id := range order {
		d, err := catalog.Lookup(id)
		if err != nil {
			continue
		}
		// A bridge joins two cards, and a server may rightly hold just one; a
		// board with a switch is sold whole.
		if n := len(byModel[id]); d.NodeSize > 2 && n < d.NodeSize {
			out = append(out, fmt.Sprintf("%d %s are here, and its board has %d: %d are missing, or hidden from this process", n, d.Name, d.NodeSize, d.NodeSize-n))
		}
		out = append(out, linkShortfalls(&d, byModel[id])...)
	}
	return append(out, g.unreachable()...)
}

func linkShortfalls(d *datasets.Device, gpus []*GPU) (out []string) {
	want := int(math.Round(d.LinkBandwidth.Value / linkBytesPerS))
	for _, g := range gpus {
		if g.NVLinks.Unread != "" || g.MIG.Value == "on" || d.NodeSize <= 2 && g.NVLinks.Value.Up == 0 {
			continue // a card without its bridge is whole
		}
		if up := g.NVLinks.Value.Up; up < want {
			out = append(out, fmt.Sprintf("GPU %d (%s) has %d of %d NVLinks up: its share of an all-reduce falls to %.0f %%", g.Index, g.UUID, up, want, 100*float64(up)/float64(want)))
		}
	}
	return out
}

// unreachable names the pairs that have links and cannot use them.
func (g *GPUs) unreachable() (out []string) {
	for i := range g.P2P {
		for j := i + 1; j < len(g.P2P); j++ {
			if g.Devices[i].NVLinks.Value.Up == 0 || g.Devices[j].NVLinks.Value.Up == 0 {
				continue
			}
			if s := g.P2P[i][j]; s != "ok" && !strings.HasPrefix(s, "NVML") {
				out = append(out, fmt.Sprintf("GPUs %d and %d cannot reach each other over NVLink: %s", g.Devices[i].Index, g.Devices[j].Index, s))
			}
		}
	}
	const most = 4
	if n := len(out); n > most {
		out = append(slices.Clip(out[:most]), fmt.Sprintf("and %d pairs more", n-most))
	}
	return out
}
