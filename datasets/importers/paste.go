package importers

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bench/datasets"
)

// Options say what a file does not, or says wrongly.
type Options struct {
	// Op names the collective, Ranks and Nodes how many there are; "" and 0 take
	// the file's.
	Op           string
	Ranks, Nodes int
}

// Reading is what was read of a file whose format was found.
type Reading struct {
	Format string
	Report *Report
	// Assumed is what was inferred and not printed, one phrase each.
	Assumed []string
	// Problems are reasons for which nothing can be said, each with what to do.
	Problems []string
	// Wrong counts the wrong values that the file reports as a whole.
	Wrong   int64
	Devices []datasets.Device
}

// marks are texts that only one format's files hold.
var marks = []struct {
	format string
	texts  []string
}{
	{"nccl-tests", []string{"busbw", "nThread ", `"alg_bw"`, `"busBw"`, "_perf -"}},
	{"nvbandwidth", []string{"nvbandwidth", "memcpy CE ", "memcpy SM ", "memcpy local", "P2P=Enabled", "P2P=Disabled", "_memcpy_ce", "_memcpy_sm"}},
	{"babelstream", []string{"BabelStream", "MBytes/sec", "MiBytes/sec", "function,num_times", "max_mbytes_per_sec"}},
	{"llama-bench", []string{`"n_gen"`, "build_commit,", "t/s |", "| test "}},
	{"serving", []string{"silicon_tpot_ms", "prompt_time"}},
	{"serve-bench", []string{"Serving Benchmark Result", "PERFORMANCE OVERVIEW", "mean_ttft_ms", "Time To First Token (ms)", "\"time_to_first_token\""}},
}

// detect finds the format by what only its files hold: "" where there is none.
// The later marks yield to those that come first in the text.
func detect(head []byte) string {
	format, at := "", len(head)+1
	for _, m := range marks {
		for _, t := range m.texts {
			if i := bytes.Index(head, []byte(t)); i >= 0 && i < at {
				format, at = m.format, i
			}
		}
	}
	return format
}

// Known reports whether a file is another tool's that Read knows.
func Known(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head, _ := io.ReadAll(io.LimitReader(f, maxHead))
	return !bytes.HasPrefix(head, []byte("PAR1")) && detect(head) != ""
}

// ReadRun reads a file as Read does, into a run; the caller fills in its provenance.
func ReadRun(path string, o Options) (*datasets.Run, *Reading, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	run := &datasets.Run{Path: path}
	read, err := Read(f, path, o, func(row *datasets.Row, _ *datasets.Device) { run.Rows = append(run.Rows, *row) })
	if err != nil {
		return nil, nil, err
	}
	if len(run.Rows) == 0 {
		return nil, nil, fmt.Errorf("%s: %s", path, strings.Join(read.Problems, "; "))
	}
	run.Devices = read.Devices
	return run, read, nil
}

// maxHead is how much of a file is looked at to find its format.
const maxHead = 8 << 20

// Read finds a file's format by its content and reads it, however it was pasted: each
// row goes to emit as it is read, so that a file of any length takes little memory.
// name is the file's, "-" where there is none.
func Read(r io.Reader, name string, o Options, emit func(*datasets.Row, *datasets.Device)) (*Reading, error) {
	in := bufio.NewReaderSize(r, maxHead)
	head, err := in.Peek(maxHead)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	found := detect(head)
	if found == "" {
		var known []string
		for _, m := range marks {
			known = append(known, m.format)
		}
		return nil, fmt.Errorf("%s holds nothing that is known: bench reads the output of %s, and its own Parquet files", name, strings.Join(known, ", "))
	}
	f, err := formatNamed(found)
	if err != nil {
		return nil, err
	}
	b := &batch{tool: found, file: name, options: o, emit: emit}
	if f.stream != nil && !isJSON(head) {
		err = f.stream(b, in)
	} else {
		var data []byte
		data, err = io.ReadAll(io.LimitReader(in, maxFileBytes+1))
		switch {
		case err != nil:
		case len(data) > maxFileBytes:
			err = fmt.Errorf("it is larger than %d MiB", maxFileBytes>>20)
		default:
			err = f.read(b, clean(data))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s as %s: %w", name, found, err)
	}
	if b.emitted == 0 && len(b.problems) == 0 {
		why := ""
		if len(b.refusals) > 0 {
			why = ": " + b.refusals[0].Reason
		}
		return nil, fmt.Errorf("%s looks like output of %s and holds no result of it%s", name, found, why)
	}
	out := &Reading{Format: found, Report: &Report{Format: found}, Assumed: b.assumed, Problems: b.problems, Wrong: b.wrongValues, Devices: b.devices}
	out.Report.add(b)
	out.Report.Rows = b.emitted
	return out, nil
}

var (
	ansi = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]`)
	// prefix is what launchers, loggers and mails put before a line.
	prefix = regexp.MustCompile(`^\s*(?:\[\d+,\d+\]<std(?:out|err)>:?|\[pod/[^\]]*\]|\[\d+\](?:\s|$)|\d+:(?:\s|$)|>+(?:\s|$)|` +
		`\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?(?:\s|$))`)
)

// unpasted is a line without what a paste adds to it.
func unpasted(line string) string {
	if strings.IndexByte(line, 0x1b) >= 0 {
		line = ansi.ReplaceAllString(line, "")
	}
	if strings.IndexByte(line, '&') >= 0 {
		line = html.UnescapeString(line)
	}
	line = strings.TrimSuffix(line, "\r")
	for {
		at := prefix.FindStringIndex(line)
		if at == nil {
			return line
		}
		line = line[at[1]:]
	}
}

// clean is a text whose every line is unpasted.
func clean(data []byte) []byte {
	if isJSON(data) || bytes.HasPrefix(bytes.TrimSpace(data), []byte("build_commit,")) {
		return data
	}
	var out bytes.Buffer
	out.Grow(len(data))
	for line := range strings.Lines(string(data)) {
		text, ended := strings.CutSuffix(line, "\n")
		out.WriteString(unpasted(text))
		if ended {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// eachLine calls f for every line of a text, numbered from 1, without holding
// more than one. A line that is too long is left out with a note.
func (b *batch) eachLine(r *bufio.Reader, f func(n int64, line string)) error {
	for n := int64(1); ; n++ {
		line, err := r.ReadSlice('\n')
		whole := len(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
			whole = maxLine + 1
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return cause(err)
		}
		if whole > maxLine {
			b.note("line %d is longer than %d bytes, and was not read", n, maxLine)
		} else if len(line) > 0 {
			f(n, strings.TrimRight(string(line), "\r\n"))
		}
		if err != nil {
			return nil
		}
	}
}

// assume records what was inferred, once.
func (b *batch) assume(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(b.assumed, s) {
		b.assumed = append(b.assumed, s)
	}
}

// problem records why nothing can be said, once.
func (b *batch) problem(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(b.problems, s) {
		b.problems = append(b.problems, s)
	}
}

// opWords are the collectives by every spelling of commands, files and people, the
// longer before those that they hold.
var opWords = []struct{ word, op string }{
	{"allreduce", "all_reduce"}, {"allgather", "all_gather"}, {"reducescatter", "reduce_scatter"}, {"alltoallv", "alltoallv"},
	{"alltoall", "all_to_all"}, {"all2all", "all_to_all"}, {"a2a", "all_to_all"}, {"sendrecv", "send_recv"}, {"sendreceive", "send_recv"},
	{"broadcast", "broadcast"}, {"bcast", "broadcast"}, {"hypercube", "hypercube"},
}

// opIn is the collective that a text names: "" where it names none.
func opIn(text string) string {
	s := strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(text))
	for _, w := range opWords {
		if strings.Contains(s, w.word) {
			return w.op
		}
	}
	return ""
}

// Operation is the collective that a word names in any spelling, "" where there is none.
func Operation(word string) string {
	if op := opIn(word); slices.Contains(datasets.CollectiveKinds, op) {
		return op
	}
	return ""
}

// opOfFile is the collective that a file is named after.
func opOfFile(name string) string {
	base := filepath.Base(name)
	return cmp.Or(opIn(base), map[string]string{"reduce": "reduce", "gather": "gather", "scatter": "scatter"}[strings.TrimSuffix(strings.ToLower(base), filepath.Ext(base))])
}
