package catalog

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bench/datasets"
)

//go:embed calibrations
var calibrationFiles embed.FS

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
	list := slices.Clone(catalogue().devices)
	for i := range list {
		list[i] = clone(list[i])
		list[i].Calibration = calibrations()[list[i].ID]
	}
	return list
}

// Lookup finds a device by its name or an alias, in any case: in the user's
// folder (UserFolder), then in the catalogue. The error lists the known ones.
func Lookup(id string) (datasets.Device, error) {
	want := strings.ToLower(strings.TrimSpace(id))
	if path := userFile("devices", want); path != "" {
		return Load(path)
	}
	if a, ok := catalogue().aliases[want]; ok {
		want = a
	}
	i := slices.IndexFunc(catalogue().devices, func(d datasets.Device) bool { return d.ID == want })
	if i < 0 {
		return datasets.Device{}, unknown("device", id, append(userNames("devices"), deviceNames()...))
	}
	d := clone(catalogue().devices[i])
	d.Calibration = calibrations()[d.ID]
	return d, nil
}

func deviceNames() []string {
	var names []string
	for _, d := range catalogue().devices {
		names = append(names, d.ID)
	}
	return names
}

func unknown(what, id string, known []string) error {
	return fmt.Errorf("unknown %s %q: use one of %s, or a JSON file", what, id, strings.Join(known, ", "))
}

// Relatives are the shipped calibrations of other devices of the kind and vendor, the nearest
// first: those of the same architecture, then by generation, as the compute
// capability's major number counts them, then by its minor one.
func Relatives(dev datasets.Device) []*datasets.Calibration {
	var out []*datasets.Calibration
	for _, d := range Devices() {
		if d.Calibration != nil && d.ID != dev.ID && d.Kind == dev.Kind && d.Vendor == dev.Vendor {
			out = append(out, d.Calibration)
		}
	}
	generation := func(arch string) (major, minor int) {
		n, _ := strconv.Atoi(strings.TrimPrefix(arch, "sm_"))
		return n / 10, n % 10
	}
	major, minor := generation(dev.Arch)
	far := func(c *datasets.Calibration) int {
		a, b := generation(c.Arch)
		return 10*max(a-major, major-a) + max(b-minor, minor-b)
	}
	slices.SortStableFunc(out, func(a, b *datasets.Calibration) int { return cmp.Compare(far(a), far(b)) })
	return out
}

// maxDeviceFile bounds a device file: the largest, with a calibration and
// ceilings, takes some hundred kilobytes.
const maxDeviceFile = 16 << 20

// Load reads an own device from a JSON file: the fields of datasets.Device, and
// the short forms of entry. Unknown fields, wrong types and impossible values are
// refused, naming the field.
func Load(path string) (datasets.Device, error) {
	f, err := os.Open(path)
	if err != nil {
		return datasets.Device{}, fmt.Errorf("device file: %w", err)
	}
	defer f.Close()
	d, err := read(f, strings.TrimSuffix(filepath.Base(path), ".json"))
	if err != nil {
		return datasets.Device{}, fmt.Errorf("device file %s: %w", path, err)
	}
	return d, nil
}

// read reads one device in JSON. One that is like another goes by the name given
// unless it has its own id.
func read(r io.Reader, name string) (datasets.Device, error) {
	var e entry
	raw, err := io.ReadAll(&io.LimitedReader{R: r, N: maxDeviceFile})
	if err == nil {
		err = decode(bytes.NewReader(raw), "device", &e)
	}
	if err != nil {
		return e.Device, err
	}
	if e.ID != "" {
		name = e.ID
	}
	d, err := e.device(raw, Lookup, nil)
	if e.Like != "" {
		d.ID = name
	}
	if err == nil {
		err = d.Validate()
	}
	return d, err
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
		text := strings.TrimPrefix(err.Error(), "json: ")
		if strings.HasPrefix(text, "unknown field") {
			text += ": use " + strings.Join(jsonFields(reflect.TypeOf(into)), ", ")
		}
		return fmt.Errorf("no %s in JSON: %s", what, text)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("something follows the %s's JSON object", what)
	}
	return nil
}

// jsonFields lists the names that a JSON object of the type may have.
func jsonFields(t reflect.Type) (names []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			names = append(names, jsonFields(f.Type)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
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
	if err == nil || userFile("devices", nameOrPath) != "" || !isFile(nameOrPath) {
		return d, err
	}
	return Load(nameOrPath)
}
