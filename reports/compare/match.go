package compare

import (
	"slices"

	"bench/datasets"
)

// side is one side's measurements by workload and device.
type side struct {
	// cells are by id; order is that of the input.
	cells   map[id][]cell
	order   []id
	devices []string
}

type id struct{ key, device, uuid string }

type pair struct {
	key, baseDevice, newDevice, uuid string
	base, new                        []cell
}

// shareGPUs reports whether a very GPU, by its UUID, is on both sides: then each
// stands against itself. Else a side's GPUs of one kind are its measurements of
// that kind.
func shareGPUs(base, new []*datasets.Run) bool {
	seen := map[string]bool{}
	for _, run := range base {
		for i := range run.Rows {
			seen[run.Rows[i].DeviceUUID] = true
		}
	}
	for _, run := range new {
		for i := range run.Rows {
			if u := run.Rows[i].DeviceUUID; u != "" && seen[u] {
				return true
			}
		}
	}
	return false
}

// collect sorts a side's rows. Of one workload the measurements of one source
// only are kept: a measured one says more than an imported one, and neither is
// ever joined with a simulated one.
func collect(runs []*datasets.Run, byGPU bool) *side {
	s := &side{cells: map[id][]cell{}}
	for _, run := range runs {
		for i := range run.Rows {
			row := &run.Rows[i]
			k := id{key: row.Workload.Key(), device: row.DeviceID}
			if byGPU {
				k.uuid = row.DeviceUUID
			}
			if _, ok := s.cells[k]; !ok {
				s.order = append(s.order, k)
			}
			if !slices.Contains(s.devices, row.DeviceID) {
				s.devices = append(s.devices, row.DeviceID)
			}
			s.cells[k] = append(s.cells[k], cell{run, row})
		}
	}
	for k, cells := range s.cells {
		best := slices.MinFunc(cells, func(a, b cell) int { return trust(a) - trust(b) })
		s.cells[k] = slices.DeleteFunc(cells, func(c cell) bool { return trust(c) != trust(best) })
	}
	return s
}

func trust(c cell) int {
	return slices.Index([]datasets.Source{datasets.SourceMeasured, datasets.SourceImported, datasets.SourceSimulated}, c.row.Measurement.Source)
}

// match pairs what is on both sides: a workload on the same device, or where a
// device is on one side only, on it and the one that stands against it. Where
// both sides have several such devices, nothing says which stands against
// which, and they are listed as only there.
func match(base, new *side) (pairs []pair, only []Only) {
	var baseAlone, newAlone []string
	for _, d := range base.devices {
		if !slices.Contains(new.devices, d) {
			baseAlone = append(baseAlone, d)
		}
	}
	for _, d := range new.devices {
		if !slices.Contains(base.devices, d) {
			newAlone = append(newAlone, d)
		}
	}
	// against lists the devices of new that each one of base is held against.
	against := map[string][]string{}
	for _, d := range base.devices {
		if slices.Contains(new.devices, d) {
			against[d] = []string{d}
		}
	}
	if len(baseAlone) == 1 || len(newAlone) == 1 {
		for _, d := range baseAlone {
			against[d] = newAlone
		}
	}
	matched := map[id]bool{}
	for _, b := range base.order {
		found := false
		for _, d := range against[b.device] {
			n := id{b.key, d, b.uuid}
			if cells, ok := new.cells[n]; ok {
				pairs = append(pairs, pair{key: b.key, baseDevice: b.device, newDevice: d, uuid: b.uuid, base: base.cells[b], new: cells})
				found, matched[n] = true, true
			}
		}
		if !found {
			only = append(only, onlyOn("base", b, base))
		}
	}
	for _, n := range new.order {
		if !matched[n] {
			only = append(only, onlyOn("new", n, new))
		}
	}
	return pairs, only
}

func onlyOn(name string, k id, s *side) Only {
	return Only{Side: name, Key: k.key, Suite: string(s.cells[k][0].row.Workload.Suite()), Device: k.device, UUID: k.uuid}
}
