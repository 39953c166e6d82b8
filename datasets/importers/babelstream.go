package importers

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"bench/datasets"
)

// babelStream reads the output of the University of Bristol's BabelStream
// (github.com/UoB-HPC/BabelStream, src/main.cpp), text or CSV (--csv), with
// whatever other lines stand before and between.
//
// Text:
//
//	Version: 5.0
//	Implementation: CUDA
//	Precision: double
//	Array size: 268.4 MB (=0.3 GB)
//	Using CUDA device NVIDIA A100-SXM4-80GB
//	Function    MBytes/sec  Min (sec)   Max         Average
//	Copy        1767045.2   0.00030     0.00031     0.00031
//
// CSV, after a header of these names: function, num_times, n_elements (of one
// array), sizeof (of one element), max_mbytes_per_sec, min_runtime,
// max_runtime, avg_runtime; or, where only triad ran, gbytes_per_sec and
// runtime, of all num_times runs together.
//
// The tool's figure is the fastest of its runs but the first, by the host's
// clock with the launch and the wait: that is the time of a row, and the
// slowest its upper bound. MBytes are 10^6 and MiBytes 2^20 bytes. Copy, mul,
// add, triad and dot count 2, 2, 3, 3 and 2 arrays, as STREAM does. The text
// rounds times to 10 µs and arrays to 0.1 MB: its time is bytes over bandwidth,
// and its size the default of 2^25 elements where the rounded one agrees with
// that. Init and Read move data between host and device and are refused, as is
// nstream.
var babelStream = format{
	name:       "babelstream",
	about:      "output of BabelStream, text or CSV",
	extensions: []string{".txt", ".log", ".out", ".csv"},
	read:       readBabelStream,
}

// babelKernels are BabelStream's functions in our words.
var babelKernels = map[string]string{"Copy": "copy", "Mul": "scale", "Add": "add", "Triad": "triad", "Dot": "dot"}

var (
	babelDevice = regexp.MustCompile(`^Using (?:\w+ )?device:? (.+)$`)
	babelSize   = regexp.MustCompile(`^Array size: ([0-9.]+) (MB|MiB)\b`)
	// babelRow is a row of the text's table; names of functions are letters.
	babelRow = regexp.MustCompile(`^[A-Z][A-Za-z]+ +[0-9.eE+-]+ +[0-9.eE+-]+ +[0-9.eE+-]+ +[0-9.eE+-]+$`)
)

const babelDefault = 1 << 25

// babelRun is what holds for all rows of a file.
type babelRun struct {
	version, implementation, device string
	dtype                           datasets.DType
	arrayBytes                      int64
	// unit is the bytes in the table's unit, and 0 before its header.
	unit float64
	// header is the CSV's columns.
	header []string
}

func (r *babelRun) stack() datasets.Stack {
	return datasets.Stack{Library: "babelstream", Version: r.version, KernelSource: r.implementation}
}

func readBabelStream(b *batch, data []byte) error {
	run := babelRun{}
	tables := 0
	for i, line := range b.lines(data) {
		line = strings.TrimSpace(line)
		word, rest, _ := strings.Cut(line, ": ")
		switch {
		case word == "Version":
			run.version = rest
		case word == "Implementation":
			run.implementation = rest
		case word == "Precision":
			run.dtype = map[string]datasets.DType{"double": datasets.FP64, "float": datasets.FP32}[rest]
		case babelSize.MatchString(line):
			m := babelSize.FindStringSubmatch(line)
			run.arrayBytes = babelArray(m[1], m[2], run.dtype)
		case babelDevice.MatchString(line):
			run.device = babelDevice.FindStringSubmatch(line)[1]
		case strings.HasPrefix(line, "function,"), strings.HasPrefix(line, "phase,"):
			run.header = strings.Split(line, ",")
			tables++
		case strings.HasPrefix(line, "Function ") && strings.Contains(line, "ytes/sec"):
			run.unit = 1e6
			if strings.Contains(line, "MiBytes") {
				run.unit = 1 << 20
			}
			tables++
		case run.header != nil && strings.Count(line, ",") > 2:
			b.babelCSV(&run, int64(i+1), strings.Split(line, ","))
		case run.unit > 0 && babelRow.MatchString(line):
			b.babelText(&run, int64(i+1), strings.Fields(line))
		}
	}
	if tables == 0 {
		return errors.New(`no table of BabelStream: neither "Function  MBytes/sec …" nor "function,num_times,…"`)
	}
	return nil
}

// babelArray is the bytes of an array that the text prints to a tenth.
func babelArray(figure, unit string, d datasets.DType) int64 {
	scale := 1e6
	if unit == "MiB" {
		scale = 1 << 20
	}
	v, err := strconv.ParseFloat(figure, 64)
	if err != nil || !(v > 0 && v < maxCount/scale) || d == "" {
		return 0
	}
	if whole := babelDefault * d.Size(); math.Abs(whole-v*scale) <= 0.051*scale {
		return int64(whole)
	}
	return int64(math.Round(v*scale/d.Size()) * d.Size())
}

// babelStreamOf is one function over arrays of that size.
func babelStreamOf(function string, d datasets.DType, arrayBytes int64) (datasets.Stream, bool) {
	kernel, ok := babelKernels[function]
	s := datasets.Stream{Kernel: kernel, Type: d, Ranks: 1}
	reads, writes := s.Arrays()
	s.SizeBytes = arrayBytes * int64(reads+writes)
	return s, ok
}

func (b *batch) babelText(run *babelRun, record int64, f []string) {
	s, known := babelStreamOf(f[0], run.dtype, run.arrayBytes)
	rate, err1 := strconv.ParseFloat(f[1], 64)
	fastest, err2 := strconv.ParseFloat(f[2], 64)
	slowest, err3 := strconv.ParseFloat(f[3], 64)
	refuse := func(kind, format string, args ...any) { b.refuse(record, fmt.Sprintf(format, args...), kind) }
	switch {
	case !known:
		refuse("function not modelled", "function %s is not modelled", clip(f[0]))
	case errors.Join(err1, err2, err3) != nil || !(rate > 0):
		refuse("not a number", "%q is no bandwidth and times above zero", clip(strings.Join(f[1:], " ")))
	case run.dtype == "" || run.arrayBytes == 0:
		refuse("no precision or array size", "no line before the table gives the precision and the array size")
	default:
		o := observation{record: record, workload: s, device: run.device, timeS: s.Bytes() / (rate * run.unit),
			highS: slowest, stack: run.stack(), toolVersion: run.version}
		// Times are printed to 10 µs and the size to 0.1 MB.
		if math.Abs(o.timeS-fastest) > 1.1e-5+0.01*o.timeS {
			refuse("bandwidth contradicts time", "%s %g bytes a second contradicts %s s", f[1], run.unit, f[2])
			return
		}
		o.lowS, o.highS = o.timeS, max(slowest, o.timeS)
		b.add(o)
	}
}

func (b *batch) babelCSV(run *babelRun, line int64, f []string) {
	if len(f) != len(run.header) {
		b.refuse(line, fmt.Sprintf("%d fields where the table has %d columns", len(f), len(run.header)), "not the table's number of fields")
		return
	}
	t := &table{columns: map[string]*column{}, names: run.header, rows: 1}
	for i, name := range run.header {
		t.columns[name] = &column{texts: []string{f[i]}}
	}
	if !t.has("function") {
		b.refuse(line, "phase "+clip(f[0])+" moves data between host and device and is not modelled", "phase not modelled")
		return
	}
	r := &record{t: t}
	width := r.count("sizeof")
	d := map[int64]datasets.DType{4: datasets.FP32, 8: datasets.FP64}[width]
	if d == "" {
		r.fail("sizeof", "is neither 4 nor 8", width)
	}
	s, known := babelStreamOf(f[0], d, r.count("n_elements")*width)
	if !known {
		r.fail("function", "names one that is not modelled", f[0])
	}
	o := observation{record: line, workload: s, device: run.device, stack: run.stack(),
		toolVersion: run.version}
	if t.has("min_runtime") {
		o.timeS = r.number("min_runtime")
		o.lowS, o.highS = o.timeS, r.number("max_runtime")
	} else {
		o.timeS = r.number("runtime") / r.number("num_times")
	}
	b.addRecord(r, o)
}
