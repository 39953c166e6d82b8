package importers

import (
	"cmp"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bench/datasets"
)

// ncclTests reads the output of NVIDIA's nccl-tests (github.com/NVIDIA/
// nccl-tests, src/util.cu), text or JSON (-J).
//
// The text is a table among whatever else the job printed; lines that do not
// begin with a size and a count are not part of it:
//
//	#  Rank  0 Group  0 Pid 1946 on HOST device  0 [0000:0f:00] NVIDIA A100-SXM4-40GB
//	#       size         count    type   redop    root     time   algbw   busbw  #wrong     time   algbw   busbw  #wrong
//	#        (B)    (elements)                             (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
//
// Older versions lack root, or redop as well, and print error, the largest
// deviation, instead of #wrong, the count of wrong elements. The first four
// figures are of separate input and output buffers, the last four in place.
// The collective is named by "# Collective test starting:" (since 2.17), by a
// command such as all_reduce_perf anywhere in the file, or else by the file's
// name.
//
// time is microseconds an operation, by the host's clock over a batch that the
// stream was synchronised after. size is bytes: of one rank's buffer for
// all_reduce and broadcast, of the whole buffer for all_gather, reduce_scatter
// and alltoall (doc/PERFORMANCE.md). algbw, size over time in 10^9 bytes a
// second, must agree with the two, or the record is refused. A row is made of
// each of the two placements. Ranks are counted, and nodes are their hosts.
var ncclTests = format{
	name:       "nccl-tests",
	about:      "output of NVIDIA nccl-tests, text or JSON",
	extensions: []string{".txt", ".log", ".out", ".json"},
	read:       readNCCLTests,
}

// ncclRun is what holds for all rows of one table.
type ncclRun struct {
	test string
	// hosts and devices are those of the ranks.
	ranks          map[string]bool
	hosts, devices []string
	// columns of the table's header.
	columns                  []string
	toolVersion, ncclVersion string
	graph                    bool
}

func (n *ncclRun) rank(id, host, device string) {
	if n.ranks == nil {
		n.ranks = map[string]bool{}
	}
	n.ranks[id] = true
	if !slices.Contains(n.hosts, host) {
		n.hosts = append(n.hosts, host)
	}
	if device = strings.TrimSpace(device); !slices.Contains(n.devices, device) {
		n.devices = append(n.devices, device)
	}
}

var (
	ncclTag     = regexp.MustCompile(`^\[\d+,\d+\]<std(?:out|err)>:`) // mpirun --tag-output
	ncclVersion = regexp.MustCompile(`^# *nccl-tests version (\S+).*nccl-library=(\d+)`)
	ncclTest    = regexp.MustCompile(`(all_reduce|all_gather|reduce_scatter|alltoallv|alltoall|broadcast|sendrecv|hypercube|reduce|gather|scatter)(_perf)?`)
	ncclRank    = regexp.MustCompile(`^# +Rank +(\d+) .*\bon +(\S+) +device +\d+ +\[[^\]]*\] +(.+)$`)
)

// ncclKinds are the tests that a Collective can hold.
var ncclKinds = map[string]string{"all_reduce": "all_reduce", "all_gather": "all_gather",
	"reduce_scatter": "reduce_scatter", "alltoall": "all_to_all", "broadcast": "broadcast", "sendrecv": "send_recv"}

var ncclTypes = map[string]datasets.DType{"float": datasets.FP32, "half": datasets.FP16, "bfloat16": datasets.BF16,
	"double": datasets.FP64, "int8": datasets.INT8, "uint8": datasets.INT8, "char": datasets.INT8,
	"int64": datasets.I64, "uint64": datasets.I64, "f8e4m3": datasets.FP8, "fp8_e4m3": datasets.FP8}

func readNCCLTests(b *batch, data []byte) error {
	if isJSON(data) {
		return b.ncclJSON(data)
	}
	run := ncclRun{test: ncclTest.FindString(filepath.Base(b.file))}
	rows := false
	for i, line := range b.lines(data) {
		line = strings.TrimSpace(ncclTag.ReplaceAllString(line, ""))
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# nThread"):
			if rows { // the next test of the same file
				run.ranks, run.hosts, run.devices, run.columns, rows = nil, nil, nil, nil, false
			}
			_, graph, _ := strings.Cut(line, "graph: ")
			run.graph = graph != "" && !strings.HasPrefix(graph, "0")
		case ncclVersion.MatchString(line):
			m := ncclVersion.FindStringSubmatch(line)
			run.toolVersion, run.ncclVersion = m[1], ncclRelease(m[2])
		case ncclRank.MatchString(line):
			m := ncclRank.FindStringSubmatch(line)
			run.rank(m[1], m[2], m[3])
		case strings.HasPrefix(line, "#") && slices.Contains(fields, "busbw"):
			run.columns = strings.Fields(strings.TrimPrefix(line, "#"))
		case strings.HasPrefix(line, "#") && strings.Contains(line, "Out of bounds values") && strings.Contains(line, "FAILED"):
			b.note("the file reports wrong results: %s", clip(strings.TrimSpace(strings.Trim(line, "#"))))
		case isNCCLRow(fields):
			rows = true
			b.ncclLine(&run, int64(i+1), fields)
		default:
			if m := ncclTest.FindStringSubmatch(line); m != nil && m[2] != "" && !strings.Contains(line, "concluded") {
				run.test = m[0]
			}
		}
	}
	return nil
}

// isNCCLRow reports whether a line begins as the table's rows do.
func isNCCLRow(fields []string) bool {
	if len(fields) < 3 {
		return false
	}
	_, err := strconv.ParseUint(fields[0], 10, 64)
	_, err2 := strconv.ParseUint(fields[1], 10, 64)
	_, isNumber := strconv.ParseFloat(fields[2], 64)
	return err == nil && err2 == nil && isNumber != nil
}

// ncclColumns are the headers by the number of their columns, for tables
// whose header was lost.
var ncclColumns = map[int]string{
	11: "size count type time algbw busbw error time algbw busbw error",
	12: "size count type redop time algbw busbw error time algbw busbw error",
	13: "size count type redop root time algbw busbw #wrong time algbw busbw #wrong",
}

func (b *batch) ncclLine(run *ncclRun, record int64, fields []string) {
	columns := run.columns
	if columns == nil {
		columns = strings.Fields(ncclColumns[len(fields)])
	}
	if n := len(columns); n > 0 && columns[n-1] == "timestamp" && len(fields) == n+1 { // a date and a time
		columns, fields = columns[:n-1], fields[:n-1]
	}
	if len(columns) != len(fields) {
		b.refuse(record, fmt.Sprintf("%d fields where the table has %d columns", len(fields), len(columns)), "not the table's number of fields")
		return
	}
	row := ncclRow{record: record, size: fields[0], dtype: fields[2]}
	inPlace := false
	for i, name := range columns {
		if name != "time" && name != "cputime" {
			continue
		}
		row.time, row.algbw, row.wrong = fields[i], "", ""
		for j := i + 1; j < len(columns) && columns[j] != "time" && columns[j] != "cputime"; j++ {
			switch columns[j] {
			case "algbw":
				row.algbw = fields[j]
			case "#wrong":
				row.wrong = fields[j]
			}
		}
		row.inPlace = inPlace
		b.ncclRow(run, row)
		inPlace = true
	}
}

// ncclRow is one placement of one row, as printed.
type ncclRow struct {
	record             int64
	size, dtype        string
	time, algbw, wrong string
	inPlace            bool
}

func (b *batch) ncclRow(run *ncclRun, row ncclRow) {
	if row.time == "N/A" || row.time == "" {
		return // nothing was measured
	}
	test := strings.TrimSuffix(run.test, "_perf")
	kind := ncclKinds[test]
	dtype := ncclTypes[row.dtype]
	size, sizeErr := strconv.ParseInt(row.size, 10, 64)
	us, timeErr := strconv.ParseFloat(row.time, 64)
	algbw, bwErr := strconv.ParseFloat(cmp.Or(row.algbw, "0"), 64)
	refuse := func(kind, format string, args ...any) {
		b.refuse(row.record, fmt.Sprintf(format, args...), kind)
	}
	switch {
	case test == "":
		refuse("the collective is not named", "nothing says which collective this is: name the file after it, such as all_reduce.txt")
	case kind == "":
		refuse("collective "+test+" is not modelled", "collective %s is not modelled", test)
	case dtype == "":
		refuse("unknown data type", "unknown data type %q", clip(row.dtype))
	case sizeErr != nil || timeErr != nil || bwErr != nil:
		refuse("not a number", "size %q, time %q or algbw %q is no number", clip(row.size), clip(row.time), clip(row.algbw))
	case len(run.ranks) == 0:
		refuse("the ranks are not listed", "the file lists no ranks, so that their number is not known")
	case len(run.ranks)%len(run.hosts) != 0:
		refuse("ranks spread unevenly", "%d ranks on %d hosts are not spread evenly", len(run.ranks), len(run.hosts))
	case us > 0 && math.Abs(float64(size)/us/1e3-algbw) > 0.02*algbw+0.01:
		// The printed figures have three digits; small rates two decimals.
		refuse("algbw contradicts size and time", "algbw %s GB/s contradicts %s bytes in %s us", row.algbw, row.size, row.time)
	default:
		c := datasets.Collective{Kind: kind, Type: dtype, SizeBytes: size, Ranks: len(run.ranks),
			Nodes: len(run.hosts), InPlace: row.inPlace}
		if run.graph {
			c.Launch = "graph"
		}
		o := observation{record: row.record, workload: c, device: strings.Join(run.devices, " + "), timeS: us / 1e6,
			stack: datasets.Stack{Library: "nccl", Version: run.ncclVersion}, toolVersion: run.toolVersion}
		if wrong, err := strconv.ParseFloat(row.wrong, 64); err == nil && wrong > 0 {
			o.wrong = int64(min(wrong, maxCount))
		}
		b.add(o)
	}
}

// ncclRelease turns NCCL's version code into its name: 22703 is 2.27.3, and
// before 2.9 one digit less, 2708 for 2.7.8 (nccl.h, NCCL_VERSION).
func ncclRelease(code string) string {
	n, err := strconv.Atoi(code)
	switch {
	case err != nil || n <= 0:
		return ""
	case n < 10000:
		return fmt.Sprintf("%d.%d.%d", n/1000, n/100%10, n%100)
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
}
