package datasets

import (
	"fmt"
	"strconv"
	"strings"
)

// System is a node as it is sold: its GPUs, what joins them, and its network cards.
type System struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Devices are the catalogue names of the GPUs that it comes with.
	Devices []string `json:"devices"`
	// GPUs a host.
	GPUs int `json:"gpus"`
	// Fabric is "nvswitch", "mesh" (links from each to each), "bridges" (pairs),
	// "pcie_switch" or "pcie".
	Fabric string `json:"fabric"`
	// Domain is how many GPUs the fabric joins, where it spans hosts; 0 is GPUs.
	Domain int `json:"domain,omitempty"`
	// NICs is network cards for the GPUs' traffic, of NICGbitPerS each.
	NICs        int     `json:"nics,omitempty"`
	NICGbitPerS float64 `json:"nic_gbit_per_s,omitempty"`
	Source      string  `json:"source,omitempty"`
}

// Fabrics are the words of System.Fabric.
var Fabrics = []string{"nvswitch", "mesh", "bridges", "pcie_switch", "pcie"}

// Validate names the first field that is wrong, by its JSON name.
func (s System) Validate() error {
	known := false
	for _, f := range Fabrics {
		known = known || f == s.Fabric
	}
	switch {
	case s.ID == "":
		return fmt.Errorf("id is missing")
	case s.GPUs < 1 || s.GPUs > 1<<20:
		return fmt.Errorf("gpus is %d, and must be between 1 and 2^20", s.GPUs)
	case !known:
		return fmt.Errorf("fabric is %q: use one of %s", s.Fabric, strings.Join(Fabrics, ", "))
	case s.Domain < 0 || s.Domain > 1<<20 || s.Domain > 0 && s.Domain < s.GPUs:
		return fmt.Errorf("domain is %d, and must be 0 or at least gpus, %d", s.Domain, s.GPUs)
	case s.NICs < 0 || s.NICs > 1<<16 || !(s.NICGbitPerS >= 0 && s.NICGbitPerS <= 1e6):
		return fmt.Errorf("nics is %d of %g Gbit/s: whole numbers of cards and rates up to 10^6 are needed", s.NICs, s.NICGbitPerS)
	}
	return nil
}

// Cards words the network cards: "8 × 400 Gb".
func (s System) Cards() string { return fmt.Sprintf("%d × %g Gb", s.NICs, s.NICGbitPerS) }

// ParseCards reads "8x400": cards a node, and Gbit/s of each.
func ParseCards(text string) (nics int, gbitPerS float64, err error) {
	a, b, ok := strings.Cut(strings.NewReplacer("×", "x", "X", "x", " ", "", "G", "", "b", "").Replace(text), "x")
	nics, err1 := strconv.Atoi(a)
	gbitPerS, err2 := strconv.ParseFloat(b, 64)
	if !ok || err1 != nil || err2 != nil || nics < 1 || nics > 1<<16 || !(gbitPerS > 0 && gbitPerS <= 1e6) {
		return 0, 0, fmt.Errorf("network cards %q: write how many a node has and the Gbit/s of each, such as 8x400", text)
	}
	return nics, gbitPerS, nil
}

// Apply puts the system's size and cards in the place of what the device's entry
// assumes.
func (s System) Apply(d *Device) {
	if s.Domain > s.GPUs {
		d.NodeSize, d.HostSize = s.Domain, s.GPUs
	} else if s.Fabric == "nvswitch" || s.Fabric == "mesh" {
		d.NodeSize, d.HostSize = s.GPUs, 0
	}
	if s.NICs > 0 {
		source := s.Source
		if source == "" {
			source = "given"
		}
		card := s.NICGbitPerS * 1e9 / 8
		d.NetworkBandwidth = Figure{Value: card * float64(s.NICs) / float64(s.GPUs), Origin: Datasheet, Source: source + ": " + s.Cards()}
		d.NetworkCardBandwidth = Figure{Value: card, Origin: Datasheet, Source: d.NetworkBandwidth.Source}
	}
}
