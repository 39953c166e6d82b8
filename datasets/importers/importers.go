// Package importers turns other tools' results into rows.
//
// Each format has one file, opened by a comment that says what its columns
// and units are and what a time means. A record that cannot be understood is
// refused, counted and named by file and record, never dropped silently and
// never guessed; and what was understood is held against the device's
// datasheet, because a mistaken unit shows itself by beating physics.
package importers

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"bench/datasets"
	"bench/datasets/catalog"
)

// format is one tool's results.
type format struct {
	name string
	// about is one line for help texts.
	about string
	// extensions end the names of the files that a folder is searched for.
	extensions []string
	// read adds the file's records to the batch. An error says that the file
	// as a whole is not of this format.
	read func(b *batch, data []byte) error
	// stream, where not nil, reads text that may be too long to hold.
	stream func(b *batch, r *bufio.Reader) error
}

// formats lists every format, in the order of help texts.
var formats = []format{
	aiconfigurator, vidur, llmcompass, ncclTests, nvbandwidth, babelStream, llamaBench, serving, serveBench,
}

// Formats returns each format's name and one line about it, as pairs.
func Formats() [][2]string {
	out := make([][2]string, len(formats))
	for i, f := range formats {
		out[i] = [2]string{f.name, f.about}
	}
	return out
}

// maxFileBytes bounds a file that is read whole.
const maxFileBytes = 256 << 20

// Import reads files, and folders in depth, of one format. The rows come in
// the order of the paths, files within a folder in the order of their names,
// records in the order of the file. The run's Meta is the caller's to fill.
//
// The error, one sentence that names the file, says that a path cannot be
// read or is not of that format; then there is no run. Records that cannot be
// understood are no error: the report lists them.
func Import(name string, paths []string) (datasets.Run, *Report, error) {
	f, err := formatNamed(name)
	if err != nil {
		return datasets.Run{}, nil, err
	}
	files, notRead, err := find(f, paths)
	if err != nil {
		return datasets.Run{}, nil, err
	}

	batches := make([]*batch, len(files))
	errs := make([]error, len(files))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, path := range files {
		wait.Add(1)
		go func() {
			defer wait.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			batches[i], errs[i] = readFile(f, path)
		}()
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return datasets.Run{}, nil, err
		}
	}

	run := datasets.Run{}
	report := &Report{Format: name, NotRead: notRead}
	n := 0
	for _, b := range batches {
		n += len(b.rows)
	}
	run.Rows = make([]datasets.Row, 0, n)
	for _, b := range batches {
		run.Rows = append(run.Rows, b.rows...)
		report.add(b)
		for _, d := range b.devices {
			if run.Device(d.ID) == nil {
				run.Devices = append(run.Devices, d)
			}
		}
	}
	report.check()
	return run, report, nil
}

func formatNamed(name string) (format, error) {
	var names []string
	for _, f := range formats {
		if f.name == name {
			return f, nil
		}
		names = append(names, f.name)
	}
	return format{}, fmt.Errorf("unknown format %q: use one of %s", name, strings.Join(names, ", "))
}

// find lists the files to read, and those of folders that have another
// extension.
func find(f format, paths []string) (files, notRead []string, err error) {
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		before := len(files)
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return fmt.Errorf("cannot read %s: %w", p, cause(err))
			case d.IsDir():
			case isFile(p, d) && slices.ContainsFunc(f.extensions, func(e string) bool { return strings.HasSuffix(strings.ToLower(p), e) }):
				files = append(files, p)
			default:
				notRead = append(notRead, p)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		if len(files) == before {
			return nil, nil, fmt.Errorf("%s holds no %s file (%s)", path, f.name, strings.Join(f.extensions, ", "))
		}
	}
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("no file to import: name files or folders of %s results", f.name)
	}
	return files, notRead, nil
}

// cause takes the path out of an error that will be printed beside it.
func cause(err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func readFile(f format, path string) (*batch, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
	}
	var data bytes.Buffer
	if info.Size() <= maxFileBytes {
		data.Grow(int(info.Size()) + bytes.MinRead)
		// What has no size, such as a pipe, may have no end either.
		_, err = data.ReadFrom(io.LimitReader(file, maxFileBytes+1))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
	}
	if info.Size() > maxFileBytes || data.Len() > maxFileBytes {
		return nil, fmt.Errorf("cannot read %s: it is larger than %d MiB", path, maxFileBytes>>20)
	}
	return readData(f, path, data.Bytes())
}

// isFile reports whether an entry of a folder, or what a link names, is a file: a
// pipe or a device that lies there is not to be waited for. What cannot be told is
// for the reading to say.
func isFile(path string, d fs.DirEntry) bool {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular()
	}
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// readData is readFile after the file system.
func readData(f format, path string, data []byte) (*batch, error) {
	sum := sha256.Sum256(data)
	b := &batch{tool: f.name, file: path, sha256: hex.EncodeToString(sum[:])}
	if len(data) == 0 {
		return nil, fmt.Errorf("%s is empty: no %s results", path, f.name)
	}
	if err := f.read(b, data); err != nil {
		return nil, fmt.Errorf("cannot import %s as %s: %w", path, f.name, err)
	}
	if len(b.rows) == 0 && b.refused == 0 {
		return nil, fmt.Errorf("%s holds no %s result", path, f.name)
	}
	return b, nil
}

// batch collects what one file holds.
type batch struct {
	tool, file, sha256 string
	rows               []datasets.Row
	// refused counts records; refusals holds the first of them, and byReason
	// counts them all.
	refused  int
	refusals []Refusal
	byReason map[string]int
	notes    []string
	devices  []datasets.Device
	// options, emit and the rest belong to Read: rows go to emit as they come.
	options           Options
	emit              func(*datasets.Row, *datasets.Device)
	row               datasets.Row
	emitted           int
	assumed, problems []string
	wrongValues       int64
	// ids is the device of each printed name.
	ids   map[string]string
	peaks peaks
}

// observation is one record as a format's reader understood it.
type observation struct {
	record   int64
	workload datasets.Workload
	device   string
	// timeS is seconds an operation; lowS and highS the tool's own spread.
	timeS, lowS, highS float64
	stack              datasets.Stack
	toolVersion        string
	// gpu is which of the machine's it was, "" where that is not printed.
	gpu string
	// wrong is wrong elements where the tool checks answers.
	wrong int64
}

// add appends a record, or refuses it where its shape or time is impossible.
func (b *batch) add(o observation) {
	if math.IsNaN(o.timeS) || math.IsInf(o.timeS, 0) || o.timeS <= 0 {
		b.refuse(o.record, fmt.Sprintf("the time is %v s, and must be above zero", o.timeS), "the time is not above zero")
		return
	}
	if err := o.workload.Validate(); err != nil {
		b.refuse(o.record, err.Error(), err.Error())
		return
	}
	d := b.device(o.device)
	row := datasets.Row{Workload: o.workload, DeviceID: d.ID, DeviceUUID: o.gpu, Measurement: datasets.Measurement{
		Source: datasets.SourceImported, Verdict: datasets.OK,
		TimeS: o.timeS, LowS: o.lowS, HighS: o.highS,
		Stack: o.stack, Wrong: o.wrong,
		Origin: datasets.ImportOrigin{Tool: b.tool, ToolVersion: o.toolVersion, DeviceName: o.device,
			File: b.file, SHA256: b.sha256, Record: o.record},
	}}
	if o.wrong > 0 {
		row.Measurement.Verdict = datasets.Failed
		row.Measurement.Reason = fmt.Sprintf("%s reports %d wrong elements", b.tool, o.wrong)
	}
	if b.emit != nil {
		b.emitted++
		b.row = row // one for all: a row of a long file is gone when the next comes
		b.emit(&b.row, d)
		return
	}
	b.peaks.see(d, &row)
	b.rows = append(b.rows, row)
}

// maxRefusals is how many refused records a report spells out for each file.
const maxRefusals = 10

// refuse counts a record that was not imported. The kind of reason, without
// the record's own values, groups the total.
func (b *batch) refuse(record int64, reason, kind string) {
	b.refused++
	if b.byReason == nil {
		b.byReason = map[string]int{}
	}
	b.byReason[kind]++
	if len(b.refusals) < maxRefusals {
		b.refusals = append(b.refusals, Refusal{File: b.file, Record: record, Reason: reason})
	}
}

// note keeps a remark about the file, once.
func (b *batch) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(b.notes, n) {
		b.notes = append(b.notes, n)
	}
}

// maxLine bounds the lines that text readers look at: a table's row takes a
// few hundred bytes.
const maxLine = 1 << 14

// lines splits text at its line ends, of Unix or Windows. A longer line is left
// out, and a note says so.
func (b *batch) lines(data []byte) []string {
	out := strings.Split(string(data), "\n")
	for i, line := range out {
		if len(line) > maxLine {
			b.note("line %d is longer than %d bytes, and was not read", i+1, maxLine)
			line = ""
		}
		out[i] = strings.TrimSuffix(line, "\r")
	}
	return out
}

// device finds the printed name in the catalogue. An unknown device has
// nothing but its name; a prediction for it needs a device file.
func (b *batch) device(name string) *datasets.Device {
	id, seen := b.ids[name]
	if !seen {
		d, ok := matchDevice(name)
		if !ok {
			d = datasets.Device{ID: slug(name), Name: name}
		}
		id = d.ID
		if b.ids == nil {
			b.ids = map[string]string{}
		}
		b.ids[name] = id
		if !slices.ContainsFunc(b.devices, func(o datasets.Device) bool { return o.ID == id }) {
			b.devices = append(b.devices, d)
		}
	}
	i := slices.IndexFunc(b.devices, func(o datasets.Device) bool { return o.ID == id })
	return &b.devices[i]
}

// slug is a name as an identifier: lower case, with a dash for whatever is
// neither letter nor digit.
func slug(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9')
	})
	return cmp.Or(strings.Join(parts, "-"), "unknown")
}

// matchDevice finds a printed name in the catalogue. Boards with NVLink in
// pairs only (Vidur's a100_pairwise_nvlink) are PCIe cards, not the modules
// that the bare product name means.
func matchDevice(name string) (datasets.Device, bool) {
	id, ok := catalog.Match(name)
	if !ok || strings.Contains(strings.ToLower(name), "pairwise") {
		return datasets.Device{}, false
	}
	d, err := catalog.Lookup(id)
	return d, err == nil
}
