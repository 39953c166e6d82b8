package datasets

import "strings"

// Row is one case: what was to be done, what it took, and what it should have
// taken.
type Row struct {
	Workload    Workload
	Measurement Measurement
	// DeviceID names the device among the run's.
	DeviceID string
	// DeviceUUID is the very GPU, as its driver names it ("GPU-…"), "" for a
	// host or where it is not known.
	DeviceUUID  string
	Predictions []Prediction
}

// Run is a set of rows with the devices they were measured on and how they
// came about.
type Run struct {
	Meta    Meta
	Devices []Device
	Rows    []Row
	// Path is the file that a Scanner read it from, else "".
	Path string
}

// Device returns the run's device of that name, or nil.
func (r *Run) Device(id string) *Device {
	for i := range r.Devices {
		if r.Devices[i].ID == id {
			return &r.Devices[i]
		}
	}
	return nil
}

// Meta is a run's provenance.
type Meta struct {
	// ID is unique to the run.
	ID string `json:"id"`
	// Bench is the program's own version and build.
	Bench string `json:"bench"`
	// Command is the command line that made the file.
	Command []string `json:"command"`
	Profile string   `json:"profile,omitempty"`
	// StartUnixS and EndUnixS bound the run, in seconds since 1970.
	StartUnixS int64  `json:"start_unix_s"`
	EndUnixS   int64  `json:"end_unix_s"`
	Host       string `json:"host"`
	// Machine is a fingerprint that resume compares.
	Machine string `json:"machine,omitempty"`
	// Labels are the user's own, such as "rack" with "7".
	Labels map[string]string `json:"labels,omitempty"`
	// PredictedBy is the version of what the stored predictions were made with, by
	// device and tier: "h100-sxm datasheet".
	PredictedBy map[string]string `json:"predicted_by,omitempty"`
	// Environment is what else a reader must know: kernel, hypervisor, NUMA,
	// compiler, libraries, clock resolution and overhead.
	Environment map[string]string `json:"environment,omitempty"`
	// Notes are warnings that belong to the whole run.
	Notes []string `json:"notes,omitempty"`
}

// Difference is one part of a machine's fingerprint that changed.
type Difference struct{ Part, Was, Is string }

// FingerprintDifferences names each part of the fingerprint text a
// ("name=value; …", Meta.Machine) that b has otherwise, in b's order.
func FingerprintDifferences(a, b string) []Difference {
	was := map[string]string{}
	for part := range strings.SplitSeq(a, "; ") {
		k, v, _ := strings.Cut(part, "=")
		was[k] = v
	}
	var out []Difference
	for part := range strings.SplitSeq(b, "; ") {
		k, v, _ := strings.Cut(part, "=")
		if was[k] != v {
			out = append(out, Difference{k, was[k], v})
		}
	}
	return out
}
