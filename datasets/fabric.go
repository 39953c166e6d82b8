package datasets

// linkAmong is what a GPU can send to the others of so many, one direction, and the
// limit's name: its links where they join that many, else PCIe: a bridge joins two
// cards, and three go over PCIe whatever joins two of them.
func (d *Device) linkAmong(ranks int) (link Figure, term, name string) {
	if d.Kind == "gpu" && (d.LinkBandwidth.Value == 0 || d.NodeSize > 0 && ranks > d.NodeSize) && d.PCIeBandwidth.Value > 0 {
		return d.PCIeBandwidth, "pcie", "PCIe bandwidth"
	}
	link = d.LinkBandwidth
	// Links from each to each, of which those to others stay idle.
	if peer := d.PeerBandwidth.Value * float64(max(ranks-1, 1)); peer > 0 {
		link.Value = min(link.Value, peer)
	}
	return link, "communication", "link bandwidth"
}

// Groups is in how many parts c's ranks have links among themselves and a network
// between them: nodes, or domains where the links join several hosts. Within is how
// many ranks the largest has.
func (d *Device) Groups(c Collective) (groups, within int) {
	groups = max(c.Nodes, 1)
	if d.HostSize > 0 && d.NodeSize > d.HostSize {
		groups = max((c.Ranks+d.NodeSize-1)/d.NodeSize, 1)
	}
	return groups, max((c.Ranks+groups-1)/groups, 1)
}

// InSwitch reports whether a group's switch adds for this collective: from three
// ranks on, floating-point numbers (NCCL, src/transport/nvls.cc).
func (d *Device) InSwitch(c Collective) bool {
	_, within := d.Groups(c)
	floats := c.Type == FP16 || c.Type == BF16 || c.Type == FP32 || c.Type == FP64
	return d.SwitchReduces && c.Kind == "all_reduce" && within > 2 && floats && (d.NodeSize == 0 || within <= d.NodeSize)
}

// collectiveLimits are what a GPU sends to those of its group over its links, and
// between groups what goes through the network cards of one. That is a ring's: its
// rate on the bus is that of a group's cards together, which trees share from three
// nodes on. A tree of two nodes, or switches that add, may send half of it (Jeaugey,
// "Massively Scale Your Deep Learning Training with NCCL 2.4", NVIDIA, 2019).
func (d *Device) collectiveLimits(c Collective, add func(l Limit, figure Figure, times float64, missing string)) {
	groups, within := d.Groups(c)
	size := float64(c.SizeBytes)
	if groups > 1 {
		rate := d.NetworkBandwidth
		if c.Kind == "send_recv" && d.NetworkCardBandwidth.Value > rate.Value {
			rate = d.NetworkCardBandwidth // the one pair that crosses has a card to itself
		}
		l := Limit{Term: "network", Name: "network bandwidth", Amount: size}
		g, n := float64(groups), float64(within)
		switch c.Kind {
		case "all_reduce", "custom_all_reduce":
			l.Amount = c.WireBytes() / n
			l.Spared = l.Amount - (g-1)/g*size/n // where the network's switches add, once is enough
		case "all_gather", "reduce_scatter":
			l.Amount = c.WireBytes() / n
			l.Spared = l.Amount - (g-1)/g*size/n
		case "broadcast":
			l.Amount = size / n
		case "all_to_all":
			l.Amount = (g - 1) / g * size
		}
		add(l, rate, 1, "no datasheet bandwidth of the network")
	}
	if within < 2 {
		return
	}
	inside := c
	inside.Ranks, inside.Nodes = within, 1
	figure, term, name := d.linkAmong(within)
	l := Limit{Term: term, Name: name, Amount: inside.WireBytes()}
	if d.InSwitch(c) {
		// A rank sends its part of the sum and the whole once, NVLink SHARP; its own
		// part need not leave it.
		l.Amount = (1 + 1/float64(within)) * size
		l.Spared = l.Amount - float64(within-1)/float64(within)*size
	}
	add(l, figure, 1, "no datasheet link bandwidth")
}
