package importers

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"bench/datasets"
)

// nvbandwidth reads the output of NVIDIA's nvbandwidth (github.com/NVIDIA/
// nvbandwidth, output.cpp, json_output.cpp), text or JSON (-j): for each test
// a matrix of 10^9 bytes a second, the median of a few samples:
//
//	Device 0: NVIDIA H100 80GB HBM3 (00000000:07:00)
//	Running host_to_device_memcpy_ce.
//	memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)
//	           0         1
//	 0     55.30     55.28
//
// N/A marks pairs that were not run. Each other cell is a row of its own.
// host_to_device and device_to_host memcpy are one copy over the host link;
// device_to_device memcpy read and write (peer) is one copy between two GPUs;
// device_local_copy reads and writes one GPU's memory, and its figure counts
// the copied bytes once. ce is the copy engine, sm a kernel. Several copies at
// once (bidirectional, all_to_one, …) and latencies are refused by name.
//
// What was measured is a bandwidth, and a time is the buffer's size over it.
// The size is printed only by newer JSON (bufferSize, MiB); else it is taken to
// be the tool's default, 512 MiB, and a note says so.
var nvbandwidth = format{
	name:       "nvbandwidth",
	about:      "output of NVIDIA nvbandwidth, text or JSON",
	extensions: []string{".txt", ".log", ".out", ".json"},
	read:       readNVBandwidth,
}

// nvTests are the tests of one copy at a time.
var nvTests = map[string]string{
	"host_to_device_memcpy_ce": "host_to_device", "host_to_device_memcpy_sm": "host_to_device",
	"device_to_host_memcpy_ce": "device_to_host", "device_to_host_memcpy_sm": "device_to_host",
	"device_to_device_memcpy_read_ce": "peer", "device_to_device_memcpy_read_sm": "peer",
	"device_to_device_memcpy_write_ce": "peer", "device_to_device_memcpy_write_sm": "peer",
	"device_local_copy": "copy_engine",
}

// nvRun is what holds for all of a file.
type nvRun struct {
	version string
	// devices are the names by index.
	devices     map[string]string
	bufferBytes int64
}

func (n *nvRun) device(index string) string {
	if name, ok := n.devices[index]; ok {
		return name
	}
	return n.devices["0"]
}

var (
	nvVersion = regexp.MustCompile(`^nvbandwidth Version: *(\S+)`)
	nvDevice  = regexp.MustCompile(`^(?:Process +\d+ \([^)]*\): device|Device) +(\d+): *(.+?)(?: \([0-9a-fA-F:.]+\))?$`)
	nvRunning = regexp.MustCompile(`^Running (\w+)\.?$`)
)

const nvDefaultBuffer = 512 << 20

func readNVBandwidth(b *batch, data []byte) error {
	run := nvRun{devices: map[string]string{}, bufferBytes: nvDefaultBuffer}
	if isJSON(data) {
		return b.nvJSON(&run, data)
	}
	test, matrix := "", false
	var columns []string
	for i, line := range b.lines(data) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case line == "" || strings.HasPrefix(line, "SUM "):
			matrix, columns = false, nil
		case nvVersion.MatchString(line):
			run.version = nvVersion.FindStringSubmatch(line)[1]
		case nvDevice.MatchString(line):
			m := nvDevice.FindStringSubmatch(line)
			run.devices[m[1]] = m[2]
		case nvRunning.MatchString(line):
			test, matrix, columns = nvRunning.FindStringSubmatch(line)[1], false, nil
		case test != "" && (strings.HasSuffix(line, "(GB/s)") || strings.HasSuffix(line, "(ns)")):
			matrix = true
		case matrix && columns == nil:
			columns = fields
		case matrix && len(fields) == len(columns)+1:
			for j, cell := range fields[1:] {
				b.nvCell(&run, int64(i+1), test, columns[j], cell)
			}
		case matrix:
			b.refuse(int64(i+1), fmt.Sprintf("%d fields under %d columns", len(fields), len(columns)), "not the matrix's number of fields")
		}
	}
	if len(b.rows) > 0 {
		b.note("the text does not print the size of the buffers: 512 MiB, the default, is assumed, and times are size over bandwidth")
	}
	return nil
}

func (b *batch) nvCell(run *nvRun, record int64, test, column, cell string) {
	if cell == "N/A" {
		return
	}
	kernel, ok := nvTests[test]
	if !ok {
		why := "test " + clip(test) + " is not modelled"
		b.refuse(record, why, why)
		return
	}
	bandwidth, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		b.refuse(record, fmt.Sprintf("%q is no bandwidth", clip(cell)), "not a number")
		return
	}
	if bandwidth == 0 {
		return // the diagonal of older versions
	}
	s := datasets.Stream{Kernel: kernel, Type: datasets.INT8, SizeBytes: run.bufferBytes, Ranks: 1}
	if reads, writes := s.Arrays(); reads+writes == 2 {
		s.SizeBytes *= 2 // the source and the destination
	}
	b.add(observation{record: record, workload: s, device: run.device(column),
		timeS: float64(run.bufferBytes) / (bandwidth * 1e9), stack: datasets.Stack{Library: "nvbandwidth", Version: run.version, KernelSource: test}, toolVersion: run.version})
}

// nvReport is the JSON, as far as it is read.
type nvReport struct {
	Root *struct {
		Version    string     `json:"version"`
		GitVersion string     `json:"git_version"`
		Devices    []string   `json:"GPU Device list"`
		BufferMiB  *looseText `json:"bufferSize"`
		Tests      []struct {
			Name   string        `json:"name"`
			Status string        `json:"status"`
			Matrix [][]looseText `json:"bandwidth_matrix"`
			Size   *looseText    `json:"bufferSize"`
		} `json:"testcases"`
	} `json:"nvbandwidth"`
}

func (b *batch) nvJSON(run *nvRun, data []byte) error {
	var report nvReport
	if err := json.Unmarshal(data, &report); err != nil {
		return fmt.Errorf("damaged JSON: %w", err)
	}
	root := report.Root
	if root == nil || root.Tests == nil {
		return fmt.Errorf("the JSON holds no testcases of nvbandwidth")
	}
	run.version = root.Version
	if run.version == "" {
		run.version = root.GitVersion
	}
	for _, d := range root.Devices { // "0: NVIDIA H100 (00000000:07:00): (host)"
		index, name, _ := strings.Cut(d, ": ")
		run.devices[index], _, _ = strings.Cut(name, " (")
	}
	record, known := int64(0), false
	for _, t := range root.Tests {
		size := t.Size
		if size == nil {
			size = root.BufferMiB
		}
		run.bufferBytes = nvDefaultBuffer
		if size != nil {
			mib, err := strconv.ParseInt(string(*size), 10, 32)
			if err != nil || mib < 1 {
				return fmt.Errorf("bufferSize %q is no size in MiB", clip(string(*size)))
			}
			run.bufferBytes, known = mib<<20, true
		}
		for _, row := range t.Matrix {
			for column, cell := range row {
				record++
				b.nvCell(run, record, t.Name, strconv.Itoa(column), string(cell))
			}
		}
		if t.Matrix == nil && t.Status != "" {
			b.note("test %s: %s", clip(t.Name), clip(t.Status))
		}
	}
	if !known && len(b.rows) > 0 {
		b.note("the JSON does not print the size of the buffers: 512 MiB, the default, is assumed, and times are size over bandwidth")
	}
	return nil
}
