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
// the copied bytes once. ce is the copy engine, sm a kernel. A bidirectional test between GPUs is
// the copy of one direction while the other runs; where it prints the total of both,
// half of that. Several copies at once (all_to_one, …) and latencies are refused by
// name. CUDA's p2pBandwidthLatencyTest prints such matrices too, without and with
// peer access.
//
// What was measured is a bandwidth, and a time is the buffer's size over it.
// The size is -b of the command (MiB), printed by newer JSON (bufferSize), else
// taken to be the tool's default, 512 MiB, and a note says so.
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
	"device_to_device_memcpy_read_ce": "peer", "device_to_device_memcpy_ce": "peer", "device_to_device_memcpy_read_sm": "peer",
	"device_to_device_memcpy_write_ce": "peer", "device_to_device_memcpy_write_sm": "peer",
	"device_local_copy": "copy_engine",
	"p2p_enabled":       "peer", "p2p_disabled": "", // through the host, which no link's rate describes
}

// nvKernel is the copy of a test, and over how many copies its figure is a total.
func nvKernel(test, head string) (kernel string, total float64) {
	total = 1
	if base, _, ok := strings.Cut(test, "_bidirectional"); ok {
		if strings.HasSuffix(test, "_total") || strings.Contains(head, "Total") || base == "p2p_enabled" {
			total = 2
		}
		if base == "p2p_enabled" || base == "device_to_device" {
			return "peer", total
		}
		return "", 1 // what the host's memory gives both ways at once is not its link's
	}
	return nvTests[test], total
}

// nvRun is what holds for all of a file.
type nvRun struct {
	version string
	// devices are the names by index.
	devices     map[string]string
	bufferBytes int64
	// test runs, and head is the line above its matrix.
	test, head string
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
	// nvBuffer is the buffer's size in a command, in MiB.
	nvBuffer  = regexp.MustCompile(`nvbandwidth\b.* (?:-b|--bufferSize)[ =](\d{1,9})\b`)
	nvCommand = regexp.MustCompile(`nvbandwidth\b.* (?:-t|--testcase)[ =](\w+)`)
	p2pHead   = regexp.MustCompile(`(Unidirectional|Bidirectional) P2P=(Enabled|Disabled) Bandwidth`)
	p2pDevice = regexp.MustCompile(`^Device: (\d+), (.+?), pciBusID`)
)

const nvDefaultBuffer = 512 << 20

func readNVBandwidth(b *batch, data []byte) error {
	run := nvRun{devices: map[string]string{}, bufferBytes: nvDefaultBuffer}
	if isJSON(data) {
		return b.nvJSON(&run, data)
	}
	matrix, sized := false, false
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
		case p2pDevice.MatchString(line):
			m := p2pDevice.FindStringSubmatch(line)
			run.devices[m[1]] = m[2]
		case p2pHead.MatchString(line):
			m := p2pHead.FindStringSubmatch(line)
			run.test, run.head, matrix, columns = "p2p_"+strings.ToLower(m[2]), line, true, nil
			if m[1] == "Bidirectional" {
				run.test += "_bidirectional"
			}
		case strings.HasSuffix(line, "Latency Matrix (us)"):
			run.test, matrix = "", false
		case nvRunning.MatchString(line):
			run.test, matrix, columns = nvRunning.FindStringSubmatch(line)[1], false, nil
		case nvBuffer.MatchString(line) || nvCommand.MatchString(line):
			run.bufferBytes = nvDefaultBuffer
			if m := nvBuffer.FindStringSubmatch(line); m != nil {
				mib, _ := strconv.ParseInt(m[1], 10, 64)
				run.bufferBytes, sized = max(mib, 1)<<20, true
			}
			if m := nvCommand.FindStringSubmatch(line); m != nil {
				run.test = m[1]
			}
		case strings.HasSuffix(line, "(GB/s)") && strings.Contains(line, "bandwidth"), run.test != "" && strings.HasSuffix(line, "(ns)"):
			if run.head, matrix, columns = line, true, nil; run.test == "" {
				run.test = nvTestOf(line)
				b.assume("test %s, from the matrix's head", run.test)
			}
		case matrix && columns == nil && !strings.Contains(line, "."):
			columns = fields
			if len(columns) > 1 && columns[0] == `D\D` {
				columns = columns[1:]
			}
		case matrix && columns == nil: // cells without a head
			for j := range fields[1:] {
				columns = append(columns, strconv.Itoa(j))
			}
			fallthrough
		case matrix && len(fields) == len(columns)+1:
			for j, cell := range fields[1:] {
				b.nvCell(&run, int64(i+1), fields[0], columns[j], cell)
			}
		case matrix:
			b.refuse(int64(i+1), fmt.Sprintf("%d fields under %d columns", len(fields), len(columns)), "not the matrix's number of fields")
		}
	}
	if len(b.rows)+b.emitted > 0 && !sized {
		b.note("the text does not print the size of the buffers: 512 MiB, the default, is assumed, and times are size over bandwidth")
	}
	return nil
}

// nvTestOf is the test that a matrix's head describes, where no line names it:
// "memcpy CE CPU(row) -> GPU(column) bandwidth (GB/s)".
func nvTestOf(head string) string {
	engine := "ce"
	if strings.Contains(head, "memcpy SM") {
		engine = "sm"
	}
	switch {
	case strings.Contains(head, "local"):
		return "device_local_copy"
	case !strings.Contains(head, "CPU"):
		return "device_to_device_memcpy_write_" + engine
	case strings.Contains(head, "<->"):
		return "host_to_device_bidirectional_memcpy_" + engine
	case strings.Contains(head, "<-"):
		return "device_to_host_memcpy_" + engine
	}
	return "host_to_device_memcpy_" + engine
}

// nvCell is a cell of the matrix: the row's and the column's numbers are GPUs, or a
// host's where the copy is one with the host.
func (b *batch) nvCell(run *nvRun, record int64, row, column, cell string) {
	if cell == "N/A" || strings.HasPrefix(run.test, "p2p_disabled") {
		return
	}
	kernel, total := nvKernel(run.test, run.head)
	if kernel == "" {
		why := "test " + clip(run.test) + " is not modelled"
		b.refuse(record, why, why)
		return
	}
	bandwidth, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		b.refuse(record, fmt.Sprintf("%q is no bandwidth", clip(cell)), "not a number")
		return
	}
	if bandwidth == 0 || kernel == "peer" && row == column {
		return // the diagonal
	}
	bandwidth /= total
	s := datasets.Stream{Kernel: kernel, Type: datasets.INT8, SizeBytes: run.bufferBytes, Ranks: 1}
	if kernel == "peer" {
		s.Ranks = 2
		if p := row + "-" + column; isCount(row) && isCount(column) && len(p) < 10 {
			s.Pair = p
		}
	}
	if reads, writes := s.Arrays(); reads+writes == 2 {
		s.SizeBytes *= 2 // the source and the destination
	}
	b.add(observation{record: record, workload: s, device: run.device(column), gpu: "GPU " + column,
		timeS: float64(run.bufferBytes) / (bandwidth * 1e9), stack: datasets.Stack{Library: "nvbandwidth", Version: run.version, KernelSource: run.test}, toolVersion: run.version})
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
		run.test = t.Name
		for row, cells := range t.Matrix {
			for column, cell := range cells {
				record++
				b.nvCell(run, record, strconv.Itoa(row), strconv.Itoa(column), string(cell))
			}
		}
		if t.Matrix == nil && t.Status != "" {
			b.note("test %s: %s", clip(t.Name), clip(t.Status))
		}
	}
	if !known && len(b.rows)+b.emitted > 0 {
		b.note("the JSON does not print the size of the buffers: 512 MiB, the default, is assumed, and times are size over bandwidth")
	}
	return nil
}
