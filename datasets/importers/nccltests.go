package importers

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"math"
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
// figures are of separate input and output buffers, the last four in place. What
// stands before a line does not matter, nor that a # is lost. The collective is
// named by "# Collective test starting:" (since 2.17), by a command such as
// all_reduce_perf, by the file's name, or else by the columns: busbw over algbw
// is 2(n−1)/n of n ranks for all_reduce alone.
//
// time is microseconds an operation, by the host's clock over a batch that the
// stream was synchronised after. size is bytes: of one rank's buffer for
// all_reduce and broadcast, of the whole buffer for all_gather, reduce_scatter
// and alltoall (doc/PERFORMANCE.md). algbw, size over time in 10^9 bytes a
// second, must agree with the two, or the record is refused. A row is made of
// each of the two placements. Ranks are counted, and nodes are their hosts.
var ncclTests = format{
	name:       "nccl-tests",
	about:      "output of NVIDIA nccl-tests or AMD rccl-tests, text or JSON",
	extensions: []string{".txt", ".log", ".out", ".json"},
	read: func(b *batch, data []byte) error {
		if isJSON(data) {
			return b.ncclJSON(data)
		}
		return readNCCLTests(b, bufio.NewReader(bytes.NewReader(data)))
	},
	stream: readNCCLTests,
}

// ncclRun is what holds for all rows of one table.
type ncclRun struct {
	// op is the collective, "" where nothing names it.
	op string
	// seats counts the ranks of each host and device index, and devices their kinds.
	seats          map[[2]string]int
	hosts, devices []string
	ranks          int
	// commandRanks follow from the command's -g, -t and -np.
	commandRanks int
	// zeros are rank lines of a rank 0: more than one is more than one run.
	zeros int
	// columns of the table's header.
	columns                  []string
	toolVersion, ncclVersion string
	graph, rows              bool
	// waiting are rows too small to show what the run is, until a larger one does.
	waiting []ncclRow
}

// mostWaiting bounds the rows that wait: a table has some 30.
const mostWaiting = 1000

// unclear reports whether neither the flags nor the file say which collective a run
// is, or how many ranks it has.
func (b *batch) unclear(run *ncclRun) bool {
	return b.options.Op == "" && run.op == "" || b.options.Ranks == 0 && run.ranks == 0 && run.commandRanks < 2
}

// release reads the rows that waited, as what the run has turned out to be.
func (b *batch) release(run *ncclRun) {
	rows := run.waiting
	run.waiting = nil
	for _, row := range rows {
		b.ncclKnown(run, row)
	}
}

func (n *ncclRun) rank(id, host, index, device string) {
	if n.seats == nil {
		n.seats = map[[2]string]int{}
	}
	n.ranks++
	n.seats[[2]string{host, index}]++
	if id == "0" {
		n.zeros++
	}
	if !slices.Contains(n.hosts, host) {
		n.hosts = append(n.hosts, host)
	}
	if device = strings.TrimSpace(device); !slices.Contains(n.devices, device) {
		n.devices = append(n.devices, device)
	}
}

// nodes counts hosts; one name with the same device twice is two hosts.
func (n *ncclRun) nodes() (nodes int, twice bool) {
	for _, h := range n.hosts {
		most := 1
		for seat, times := range n.seats {
			if seat[0] == h {
				most = max(most, times)
			}
		}
		nodes += most
		twice = twice || most > 1
	}
	return max(nodes, 1), twice
}

var (
	ncclVersion = regexp.MustCompile(`nccl-tests version (\S+).*nccl-library=(\d+)`)
	ncclLibrary = regexp.MustCompile(`\bR?NCCL version:? (\d+\.\d+\.\d+)`)
	ncclTest    = regexp.MustCompile(`\b(all_reduce|all_gather|reduce_scatter|alltoallv|alltoall|broadcast|sendrecv|hypercube|reduce|gather|scatter)_perf`)
	ncclRank    = regexp.MustCompile(`\bRank +(\d+) .*?\bon +(\S+) +device +(\d+) +\[[^\]]*\] +(.+)$`)
	ncclFailed  = regexp.MustCompile(`Out of bounds values *: *(\d+) *FAILED`)
	commandFlag = regexp.MustCompile(`(?:^|\s)(-g|--ngpus|-t|--nthreads|-np|--np|-n|-N|--ntasks)[ =]+(\d+)`)
)

// ncclOps are the tests' names that a Collective calls otherwise.
var ncclOps = map[string]string{"alltoall": "all_to_all", "sendrecv": "send_recv"}

var ncclTypes = map[string]datasets.DType{"float": datasets.FP32, "half": datasets.FP16, "bfloat16": datasets.BF16,
	"double": datasets.FP64, "int8": datasets.INT8, "uint8": datasets.INT8, "char": datasets.INT8,
	"int64": datasets.I64, "uint64": datasets.I64, "f8e4m3": datasets.FP8, "fp8_e4m3": datasets.FP8, "fp8e4m3": datasets.FP8,
	"f8e5m2": datasets.FP8, "fp8_e5m2": datasets.FP8, "fp8e5m2": datasets.FP8}

// asWide stand for types that are moved and that no workload computes in.
var asWide = map[string]datasets.DType{"int32": datasets.FP32, "uint32": datasets.FP32, "int": datasets.FP32}

func readNCCLTests(b *batch, r *bufio.Reader) error {
	run := ncclRun{op: opOfFile(b.file)}
	fromFile := run.op != ""
	err := b.eachLine(r, func(n int64, line string) {
		fields := strings.Fields(line)
		if at := ncclRowAt(fields); at >= 0 {
			run.rows = true
			b.ncclLine(&run, n, fields[at:])
			return
		}
		if strings.IndexByte(line, 0x1b) >= 0 || strings.IndexByte(line, '&') >= 0 {
			line = unpasted(line)
			fields = strings.Fields(line)
			if at := ncclRowAt(fields); at >= 0 {
				run.rows = true
				b.ncclLine(&run, n, fields[at:])
				return
			}
		}
		switch {
		case strings.Contains(line, "nThread "):
			if run.rows { // the next test of the same file
				b.release(&run)
				run = ncclRun{op: run.op, commandRanks: run.commandRanks, toolVersion: run.toolVersion, ncclVersion: run.ncclVersion}
			}
			_, graph, _ := strings.Cut(line, "graph: ")
			run.graph = graph != "" && !strings.HasPrefix(graph, "0")
		case strings.Contains(line, "Rank") && ncclRank.MatchString(line):
			m := ncclRank.FindStringSubmatch(line)
			run.rank(m[1], m[2], m[3], m[4])
		case strings.Contains(line, "busbw") && slices.Contains(fields, "busbw") && slices.Contains(fields, "time"):
			if at := slices.Index(fields, "size"); at >= 0 {
				run.columns = fields[at:]
			}
		case strings.Contains(line, "FAILED") && ncclFailed.MatchString(line):
			v, _ := strconv.ParseInt(ncclFailed.FindStringSubmatch(line)[1], 10, 64)
			b.wrongValues += max(v, 1)
			b.note("the file reports wrong results: %s", clip(strings.TrimSpace(strings.Trim(line, "#"))))
		case strings.Contains(line, "nccl-tests version") && ncclVersion.MatchString(line):
			m := ncclVersion.FindStringSubmatch(line)
			run.toolVersion, run.ncclVersion = m[1], ncclRelease(m[2])
		case strings.Contains(line, "CCL version") && ncclLibrary.MatchString(line):
			run.ncclVersion = ncclLibrary.FindStringSubmatch(line)[1]
		case strings.Contains(line, "_perf") && !strings.Contains(line, "concluded"):
			m := ncclTest.FindStringSubmatch(line)
			if m == nil {
				return
			}
			if fromFile = false; run.rows {
				b.release(&run)
				run = ncclRun{toolVersion: run.toolVersion, ncclVersion: run.ncclVersion}
			}
			run.op = cmp.Or(ncclOps[m[1]], m[1])
			run.commandRanks = ranksOfCommand(line)
		}
	})
	b.release(&run)
	if fromFile && b.emitted > 0 && b.options.Op == "" {
		b.assume("%s, from the file's name (--op)", run.op)
	}
	return err
}

// ranksOfCommand is processes × threads × GPUs a thread of a command line, 0 where it
// gives none of them.
func ranksOfCommand(line string) int {
	launch, test, _ := strings.Cut(line, "_perf")
	product, found := 1, false
	for _, part := range []struct{ text, flags string }{{launch, "-np --np -n -N --ntasks"}, {test, "-g --ngpus -t --nthreads"}} {
		for _, m := range commandFlag.FindAllStringSubmatch(part.text, -1) {
			v, err := strconv.Atoi(m[2])
			if slices.Contains(strings.Fields(part.flags), m[1]) && err == nil && v > 0 && product*v <= maxRanks {
				product, found = product*v, true
			}
		}
	}
	if !found {
		return 0
	}
	return product
}

// ncclRowAt is where in a line a row of the table begins: a size, a count and a type,
// whatever stands before; −1 where there is none.
func ncclRowAt(fields []string) int {
	for i := 0; i+3 <= len(fields) && i < 8; i++ {
		if i > 0 && i+8 > len(fields) {
			break
		}
		if isCount(fields[i]) && isCount(fields[i+1]) && (ncclTypes[fields[i+2]] != "" || asWide[fields[i+2]] != "" || i == 0 && isWord(fields[i+2])) {
			return i
		}
	}
	return -1
}

func isWord(s string) bool { return s != "" && s[0] >= 'a' && s[0] <= 'z' }

func isCount(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != "" && len(s) < 19
}

// ncclColumns are the headers by the number of their columns, for tables
// whose header was lost.
var ncclColumns = map[int][]string{
	11: strings.Fields("size count type time algbw busbw error time algbw busbw error"),
	12: strings.Fields("size count type redop time algbw busbw error time algbw busbw error"),
	13: strings.Fields("size count type redop root time algbw busbw #wrong time algbw busbw #wrong"),
}

func (b *batch) ncclLine(run *ncclRun, record int64, fields []string) {
	columns := run.columns
	if n := len(columns); n > 0 && columns[n-1] == "timestamp" { // a date and a time
		columns = columns[:n-1]
		fields = fields[:min(len(fields), n-1)]
	}
	// A cell that is left empty is the operator's, or the root's.
	for _, empty := range []string{"redop", "root"} {
		if at := slices.Index(columns, empty); at >= 0 && len(fields) < len(columns) {
			columns = slices.Delete(slices.Clone(columns), at, at+1)
		}
	}
	if len(columns) != len(fields) {
		columns = ncclColumns[len(fields)]
	}
	if columns == nil {
		b.refuse(record, fmt.Sprintf("%d fields where the table has %d columns", len(fields), len(run.columns)), "not the table's number of fields")
		return
	}
	row := ncclRow{record: record, size: fields[0], count: fields[1], dtype: fields[2]}
	inPlace := false
	for i, name := range columns {
		switch name {
		case "redop":
			row.redop = fields[i]
			continue
		case "time", "cputime":
		default:
			continue
		}
		row.time, row.algbw, row.busbw, row.wrong = fields[i], "", "", ""
		for j := i + 1; j < len(columns) && columns[j] != "time" && columns[j] != "cputime"; j++ {
			switch columns[j] {
			case "algbw":
				row.algbw = fields[j]
			case "busbw":
				row.busbw = fields[j]
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
	record                    int64
	size, count, dtype, redop string
	time, algbw, busbw, wrong string
	inPlace                   bool
}

// shape is the collective, ranks and nodes of a row, and what they were inferred
// from: the flags, the file, or the ratio of the columns.
func (b *batch) shape(run *ncclRun, size, algbw, busbw float64) (op string, ranks, nodes int) {
	op, ranks = cmp.Or(b.options.Op, run.op), run.ranks
	nodes, twice := run.nodes()
	if run.zeros > 1 && ranks > 0 {
		b.problem("%d separate runs are mixed here, each with a rank 0 of its own: the test was built without MPI=1; build it with MPI=1 and run it again%s",
			run.zeros, map[bool]string{true: ", and name the operation (--op)"}[op == ""])
		ranks, nodes = ranks/run.zeros, max(nodes/run.zeros, 1)
	} else if twice {
		b.assume("%d nodes, since a host lists its devices more than once (--nodes)", nodes)
	}
	ratio := busbw / algbw
	clear := tellsRatio(algbw, busbw)
	if ranks == 0 && run.commandRanks > 1 {
		ranks = run.commandRanks
		b.assume("%d ranks, from the command (--ranks)", ranks)
	}
	ranks = cmp.Or(b.options.Ranks, ranks)
	nodes = cmp.Or(b.options.Nodes, nodes)
	is := func(want float64) bool { return clear && math.Abs(ratio/want-1) < 0.01 }
	if n := float64(ranks); op == "" && ranks > 2 && is(2*(n-1)/n) {
		op, run.op = "all_reduce", "all_reduce"
		b.assume("all_reduce, from busbw over algbw, 2(n−1)/n (--op)")
	}
	if ranks == 0 && clear && op != "" {
		per := map[string]float64{"all_reduce": 2, "all_gather": 1, "reduce_scatter": 1, "all_to_all": 1}[op]
		if n := math.Round(1 / (1 - ratio/per)); per > 0 && ratio < per && n >= 2 && n <= 64 {
			ranks, run.ranks = int(n), int(n)
			b.assume("%d ranks, from busbw over algbw (--ranks)", ranks)
		}
	}
	if ranks > 0 && nodes > 0 && ranks%nodes != 0 {
		b.assume("%d ranks on %d nodes are not spread evenly; they are taken as if", ranks, nodes)
	}
	return op, ranks, nodes
}

// tellsRatio reports whether two rates of two decimals say their ratio to 0.5 %.
func tellsRatio(algbw, busbw float64) bool { return algbw > 4 && busbw > 0 }

func (b *batch) ncclRow(run *ncclRun, row ncclRow) {
	if row.time == "N/A" || row.time == "" || row.size == "0" {
		return // nothing was measured
	}
	if b.unclear(run) && len(run.waiting) < mostWaiting {
		algbw, _ := strconv.ParseFloat(row.algbw, 64)
		busbw, _ := strconv.ParseFloat(row.busbw, 64)
		if !tellsRatio(algbw, busbw) {
			run.waiting = append(run.waiting, row)
			return
		}
	}
	b.ncclKnown(run, row)
	if len(run.waiting) > 0 && !b.unclear(run) {
		b.release(run)
	}
}

// ncclKnown reads a row of a run of which all is known that ever will be.
func (b *batch) ncclKnown(run *ncclRun, row ncclRow) {
	dtype := ncclTypes[row.dtype]
	if wide := asWide[row.dtype]; wide != "" {
		dtype = wide
		b.note("%s moves as %s does, and is counted with it", row.dtype, wide)
	}
	size, sizeErr := strconv.ParseInt(row.size, 10, 64)
	us, timeErr := strconv.ParseFloat(row.time, 64)
	algbw, bwErr := strconv.ParseFloat(cmp.Or(row.algbw, "0"), 64)
	busbw, _ := strconv.ParseFloat(row.busbw, 64)
	refuse := func(kind, format string, args ...any) {
		b.refuse(row.record, fmt.Sprintf(format, args...), kind)
	}
	if sizeErr != nil || timeErr != nil || bwErr != nil {
		refuse("not a number", "size %q, time %q or algbw %q is no number", clip(row.size), clip(row.time), clip(row.algbw))
		return
	}
	op, ranks, nodes := b.shape(run, float64(size), algbw, busbw)
	c := datasets.Collective{Kind: op, Type: dtype, SizeBytes: size, Ranks: ranks, Nodes: nodes, InPlace: row.inPlace}
	switch {
	case op == "":
		refuse("the collective is not named", "nothing says which collective this is: name the file after it, such as all_reduce.txt, or give --op")
		if len(b.problems) == 0 {
			b.problem("nothing says which collective this is: give --op, such as --op all_gather")
		}
	case !slices.Contains(datasets.CollectiveKinds, op):
		refuse("collective "+op+" is not modelled", "collective %s is not modelled", op)
		b.problem("collective %s is not modelled", op)
	case dtype == "":
		refuse("unknown data type", "unknown data type %q", clip(row.dtype))
	case ranks == 0:
		refuse("the ranks are not listed", "the file lists no ranks, so that their number is not known")
		b.problem("nothing says how many ranks there were: give --ranks, and --nodes if there were several")
	case us > 0 && !near(float64(size)/us/1e3, algbw) && !near(float64(size)/us/1e3*c.BusFactor(), busbw):
		// Old versions print another algbw, and the same busbw.
		refuse("algbw contradicts size and time", "algbw %s GB/s contradicts %s bytes in %s us", row.algbw, row.size, row.time)
	default:
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

// near reports whether a rate agrees with a printed one: the figures have three
// digits, small rates two decimals.
func near(rate, printed float64) bool { return math.Abs(rate-printed) <= 0.02*printed+0.01 }

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
