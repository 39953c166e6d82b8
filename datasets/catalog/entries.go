package catalog

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
)

// devices.json holds the published devices and systems. A device there is what a
// user's device file is too (entry), with the document of each group of figures.
//
//go:embed devices.json
var published []byte

// entry is a device file: datasets.Device, and short forms for people.
type entry struct {
	datasets.Device
	// Like names another entry, of which only the differences are given.
	Like string `json:"like"`
	// Source is the document of figures that are plain numbers.
	Source string `json:"source"`
	// From groups fields by their document.
	From map[string]json.RawMessage `json:"from"`
	// MemoryGiB is memory_bytes in units of 2^30, as vendors mean their GB.
	MemoryGiB datasets.Figure `json:"memory_gib"`
	// L1Bytes, L2Bytes and LLCBytes are caches: an SM's own, and those all share.
	L1Bytes  datasets.Figure `json:"l1_bytes"`
	L2Bytes  datasets.Figure `json:"l2_bytes"`
	LLCBytes datasets.Figure `json:"llc_bytes"`
	// Aliases are other names, Match a pattern of the names that drivers print.
	Aliases []string `json:"aliases"`
	Match   string   `json:"match"`
}

// device completes an entry: what it is like, its groups of figures, its caches.
func (e *entry) device(raw []byte, like func(string) (datasets.Device, error), documents map[string]string) (datasets.Device, error) {
	units := 0
	if e.Like != "" {
		base, err := like(e.Like)
		if err != nil {
			return base, fmt.Errorf("like: %w", err)
		}
		*e, units = entry{Device: clone(base)}, base.Units
		e.Calibration, e.Ceilings = nil, nil
		if err := decode(bytes.NewReader(raw), "device", e); err != nil {
			return e.Device, err
		}
	}
	for _, doc := range slices.Sorted(maps.Keys(e.From)) {
		if err := decode(bytes.NewReader(e.From[doc]), "device", e); err != nil {
			return e.Device, fmt.Errorf("from %s: %w", doc, err)
		}
		e.settle(doc, documents)
	}
	e.settle(cmp.Or(e.Source, "given"), documents)
	e.Kind = cmp.Or(e.Kind, "gpu")
	for i := range e.Caches {
		if c := &e.Caches[i]; c.SharedBy == units && c.Level > 1 && units > 0 {
			c.SharedBy = e.Units
		}
	}
	if e.Like != "" { // a peak of 0 takes the other's away
		maps.DeleteFunc(e.PeakFLOPs, func(_ datasets.DType, f datasets.Figure) bool { return f == datasets.Figure{} })
	}
	return e.Device, nil
}

// settle turns the short forms into the device's own fields, and gives figures
// without a source that of the document.
func (e *entry) settle(doc string, documents map[string]string) {
	if v := e.MemoryGiB; v.Value != 0 {
		v.Value *= 1 << 30
		e.MemoryBytes, e.MemoryGiB = v, datasets.Figure{}
	}
	for i, f := range []*datasets.Figure{&e.L1Bytes, &e.L2Bytes, &e.LLCBytes} {
		if f.Value == 0 {
			continue
		}
		c := datasets.CacheLevel{Level: i + 1, SizeBytes: *f, LineBytes: 128, SharedBy: e.Units}
		if i == 0 {
			c.SharedBy = 1
		}
		e.Caches = slices.DeleteFunc(e.Caches, func(o datasets.CacheLevel) bool { return o.Level == c.Level })
		e.Caches = append(e.Caches, c)
		*f = datasets.Figure{}
	}
	slices.SortFunc(e.Caches, func(a, b datasets.CacheLevel) int { return a.Level - b.Level })
	e.Attribute(func(own string) string {
		// A note of the figure's own begins with the document's short name.
		own = cmp.Or(own, doc)
		name, rest, noted := strings.Cut(own, ": ")
		if full := documents[name]; full != "" {
			if noted {
				return full + ": " + rest
			}
			return full
		}
		return own
	})
}

// clone copies a device with all that it holds.
func clone(d datasets.Device) datasets.Device {
	d.PeakFLOPs = maps.Clone(d.PeakFLOPs)
	d.Caches = slices.Clone(d.Caches)
	return d
}

// known is the published catalogue, parsed once.
type known struct {
	devices []datasets.Device
	systems []datasets.System
	aliases map[string]string
	// patterns find a device by what a driver prints, in the devices' order.
	patterns []*regexp.Regexp
}

var catalogue = sync.OnceValue(func() *known {
	k, err := parse(published)
	if err != nil {
		panic("datasets/catalog/devices.json: " + err.Error()) // the tests read it
	}
	return k
})

func parse(data []byte) (*known, error) {
	var file struct {
		Documents map[string]string `json:"documents"`
		Devices   []json.RawMessage `json:"devices"`
		Systems   []datasets.System `json:"systems"`
	}
	if err := decode(bytes.NewReader(data), "catalogue", &file); err != nil {
		return nil, err
	}
	raw := map[string]json.RawMessage{}
	entries := make([]entry, len(file.Devices))
	for i, r := range file.Devices {
		if err := decode(bytes.NewReader(r), "device", &entries[i]); err != nil {
			return nil, fmt.Errorf("device %d: %w", i+1, err)
		}
		raw[entries[i].ID] = r
	}
	var resolve func(id string) (datasets.Device, error)
	resolve = func(id string) (datasets.Device, error) {
		var e entry
		if raw[id] == nil {
			return e.Device, fmt.Errorf("no device %q", id)
		}
		if err := decode(bytes.NewReader(raw[id]), "device", &e); err != nil {
			return e.Device, err
		}
		return e.device(raw[id], resolve, file.Documents)
	}
	k := &known{systems: file.Systems, aliases: map[string]string{}}
	for _, e := range entries {
		d, err := resolve(e.ID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.ID, err)
		}
		pattern, err := regexp.Compile(`\b(?:` + e.Match + `)\b`)
		if err != nil {
			return nil, fmt.Errorf("%s: match: %w", e.ID, err)
		}
		k.devices, k.patterns = append(k.devices, d), append(k.patterns, pattern)
		for _, a := range e.Aliases {
			k.aliases[a] = e.ID
		}
	}
	return k, nil
}

// otherKind are products that share a name and not its figures: parts of a GPU,
// laptops', and boards with memory that no entry has.
var otherKind = regexp.MustCompile(`MIG|LAPTOP|MAX-Q|4090 ?D\b|H100.*\b(64|96) ?GB`)

// Match finds the catalogue name of a device by the name that it or a tool
// prints: "NVIDIA H100 80GB HBM3", "A100-SXM4-40GB", "NVIDIA H100 PCIe",
// "a100_sxm", or a plain "A100" (the 80 GB SXM module). The entry whose pattern
// takes most of the name has it, the later one of two that take as much.
func Match(name string) (id string, ok bool) {
	s := strings.ToUpper(strings.ReplaceAll(name, "_", "-"))
	if d, err := Lookup(s); err == nil {
		return d.ID, true
	}
	if otherKind.MatchString(s) {
		return "", false
	}
	k, most := catalogue(), 0
	for i, p := range k.patterns {
		if at := p.FindStringIndex(s); at != nil && at[1]-at[0] >= most {
			most, id = at[1]-at[0], k.devices[i].ID
		}
	}
	return id, id != ""
}

// Systems lists the nodes of the catalogue.
func Systems() []datasets.System { return slices.Clone(catalogue().systems) }

// SystemsOf lists the systems that a device is sold in.
func SystemsOf(device string) []datasets.System {
	return slices.DeleteFunc(Systems(), func(s datasets.System) bool { return !slices.Contains(s.Devices, device) })
}
