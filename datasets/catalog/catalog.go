package catalog

import (
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
)

//go:embed calibrations
var calibrationFiles embed.FS

// aliases are other names that people use for catalogue entries.
var aliases = map[string]string{
	"a100-sxm":     "a100-sxm-80",
	"a100":         "a100-sxm-80",
	"a100-80":      "a100-sxm-80",
	"a100-40":      "a100-sxm-40",
	"a100-sxm4-40": "a100-sxm-40",
	"a100-sxm4-80": "a100-sxm-80",
	"a100-pcie":    "a100-pcie-80",
	"h100":         "h100-sxm",
	"h100-sxm5":    "h100-sxm",
	"h100-sxm-80":  "h100-sxm",
	"h100-pcie-80": "h100-pcie",
	"h200":         "h200-sxm",
	"h200-sxm5":    "h200-sxm",
}

// calibrations reads the embedded files once. They are part of the program and
// checked by its tests, so a broken one is left out here.
var calibrations = sync.OnceValue(func() map[string]*datasets.Calibration {
	found, _ := readCalibrations(calibrationFiles)
	return found
})

func readCalibrations(files embed.FS) (map[string]*datasets.Calibration, error) {
	found := map[string]*datasets.Calibration{}
	entries, err := files.ReadDir("calibrations")
	for _, e := range entries {
		if path.Ext(e.Name()) != ".json" {
			continue
		}
		c := new(datasets.Calibration)
		b, e1 := files.ReadFile("calibrations/" + e.Name())
		e2 := json.Unmarshal(b, c)
		if e1 != nil || e2 != nil || c.Device == "" {
			err = errors.Join(err, fmt.Errorf("calibrations/%s: not a calibration: %w", e.Name(), errors.Join(e1, e2)))
			continue
		}
		found[c.Device] = c
	}
	return found, err
}

// Devices lists the device catalogue, each with its own calibration if the
// program ships one.
func Devices() []datasets.Device {
	list := devices()
	for i := range list {
		list[i].Calibration = calibrations()[list[i].ID]
	}
	return list
}

// Lookup finds a device by its catalogue name or an alias, in any case. The
// error lists the known ones.
func Lookup(id string) (datasets.Device, error) {
	want := strings.ToLower(strings.TrimSpace(id))
	if a, ok := aliases[want]; ok {
		want = a
	}
	list := Devices()
	known := make([]string, len(list))
	for i, d := range list {
		if d.ID == want {
			return d, nil
		}
		known[i] = d.ID
	}
	return datasets.Device{}, fmt.Errorf("unknown device %q: use one of %s, or a JSON file", id, strings.Join(known, ", "))
}

// modelInName finds the product in a name such as "NVIDIA A100-SXM4-80GB"; the
// boundary keeps "GA100" and "H1000" out.
var modelInName = regexp.MustCompile(`(?:^|[^A-Z0-9])(A100X?|H100|H200|GH200|H800|A800|H20)(?:$|[^0-9A-Z])`)

var (
	fortyGB = regexp.MustCompile(`(^|[^0-9])40 ?G|-40$`)
	// otherGB are custom A100 and H100 with other memory, and other SM counts.
	otherGB = regexp.MustCompile(`(^|[^0-9])(64|94|96) ?G`)
)

// Match finds the catalogue name of a device by the name that it or a tool
// prints: "NVIDIA H100 80GB HBM3", "A100-SXM4-40GB", "NVIDIA H100 PCIe",
// "a100_sxm", or a plain "A100" (the 80 GB SXM module). Products that the
// catalogue lacks, such as H100 NVL or GH200, match nothing.
func Match(name string) (id string, ok bool) {
	s := strings.ToUpper(strings.ReplaceAll(name, "_", "-"))
	if d, err := Lookup(s); err == nil {
		return d.ID, true
	}
	found := modelInName.FindStringSubmatch(s)
	if found == nil || strings.Contains(s, "NVL") && !strings.Contains(s, "NVLINK") || strings.Contains(s, "MIG") || otherGB.MatchString(s) {
		return "", false
	}
	pcie, fortyGB := strings.Contains(s, "PCI"), fortyGB.MatchString(s)
	switch found[1] {
	case "A100":
		switch {
		case pcie && fortyGB: // the 40 GB PCIe card is not in the catalogue
			return "", false
		case pcie:
			return "a100-pcie-80", true
		case fortyGB:
			return "a100-sxm-40", true
		}
		return "a100-sxm-80", true
	case "H100":
		if pcie {
			return "h100-pcie", true
		}
		return "h100-sxm", true
	case "H200":
		if pcie {
			return "", false
		}
		return "h200-sxm", true
	}
	return "", false
}

// Relative finds a calibration to transfer to a device: that of another device
// of the same architecture, else of any other of the same kind, else nil. The
// device's own is never returned.
func Relative(dev datasets.Device) *datasets.Calibration {
	var other *datasets.Calibration
	for _, d := range Devices() {
		if d.Calibration == nil || d.ID == dev.ID || d.Kind != dev.Kind {
			continue
		}
		if d.Arch == dev.Arch {
			return d.Calibration
		}
		if other == nil {
			other = d.Calibration
		}
	}
	return other
}

// maxDeviceFile bounds a device file: the largest, with a calibration and
// ceilings, takes some hundred kilobytes.
const maxDeviceFile = 16 << 20

// Load reads an own device from a JSON file of datasets.Device. Unknown
// fields, wrong types and impossible values are refused, naming the field.
func Load(path string) (datasets.Device, error) {
	f, err := os.Open(path)
	if err != nil {
		return datasets.Device{}, fmt.Errorf("device file: %w", err)
	}
	defer f.Close()
	d, err := Read(f)
	if err != nil {
		return datasets.Device{}, fmt.Errorf("device file %s: %w", path, err)
	}
	return d, nil
}

// Read reads one device in JSON, as Load does.
func Read(r io.Reader) (datasets.Device, error) {
	var d datasets.Device
	if err := decode(r, "device", &d); err != nil {
		return d, err
	}
	if err := d.Validate(); err != nil {
		return d, err
	}
	// A catalogue entry with a calibration of its own is what bench calibrate
	// writes.
	calibrated := d.Calibration != nil && d.Calibration.Device == d.ID
	if !calibrated && slices.ContainsFunc(devices(), func(known datasets.Device) bool { return known.ID == d.ID }) {
		return d, fmt.Errorf("id %q is a catalogue entry's: give the device a name of its own", d.ID)
	}
	return d, nil
}

// decode reads one JSON object strictly; what says which thing it describes.
func decode(r io.Reader, what string, into any) error {
	dec := json.NewDecoder(&io.LimitedReader{R: r, N: maxDeviceFile})
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("%s is a JSON %s, and must be %s", cmp.Or(wrong.Field, "the file"), wrong.Value, jsonKind(wrong.Type.Kind()))
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("empty: a JSON object describing a %s is needed", what)
		}
		return fmt.Errorf("no %s in JSON: %s", what, strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the %s's JSON object", what)
	}
	return nil
}

// jsonKind names what JSON must hold for a Go kind.
func jsonKind(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// LookupOrLoad takes what a --device flag says: a catalogue name or alias, or
// the path of a JSON file.
func LookupOrLoad(nameOrPath string) (datasets.Device, error) {
	d, err := Lookup(nameOrPath)
	if err == nil {
		return d, nil
	}
	if strings.ContainsRune(nameOrPath, os.PathSeparator) || strings.HasSuffix(strings.ToLower(nameOrPath), ".json") {
		return Load(nameOrPath)
	}
	if _, statErr := os.Stat(nameOrPath); statErr == nil {
		return Load(nameOrPath)
	}
	return datasets.Device{}, err
}
