package datasets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"unsafe"

	// parquet-go is the Parquet writer and reader; its column writers are used
	// directly, since its reflection over rows of a hundred mostly null columns
	// takes most of the time.
	"github.com/parquet-go/parquet-go"
)

const (
	// rowGroupRows is how many rows a row group holds: what a reader holds in
	// memory at once.
	rowGroupRows = 1 << 14
	// flatRows is how many rows are laid out flat at a time: few enough to stay
	// in a core's cache while a hundred columns are taken from them.
	flatRows = 1 << 8
	// maxDictionary is where a column of many texts stops using a dictionary.
	maxDictionary = 1 << 20
)

// Writer writes rows to a Parquet file that appears whole when Close returns
// nil, or not at all: rows go to a temporary file in the same folder. Row
// groups are encoded side by side, on all cores.
type Writer struct {
	path    string
	file    *os.File
	out     *parquet.GenericWriter[any]
	runID   string
	pending []Row
	// encoders are the idle ones; last is closed when the row group before the
	// next one is in the file.
	encoders chan *encoder
	last     chan struct{}
	failed   atomic.Pointer[error]
}

// encoder encodes one row group at a time.
type encoder struct {
	group   *parquet.ConcurrentRowGroupWriter
	rows    []Row
	records []record
	values  []parquet.Value
}

// CreateFile begins a file at path, whose folder must exist.
func CreateFile(path string, meta Meta, devices []Device) (*Writer, error) {
	m, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("%s: the run's provenance cannot be written: %w", path, err)
	}
	d, err := json.Marshal(devices)
	if err != nil {
		return nil, fmt.Errorf("%s: the run's devices cannot be written: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("%s: the folder cannot be written to: %w", path, err)
	}
	w := &Writer{path: path, file: f, runID: meta.ID, out: newParquetWriter(f, string(m), string(d))}
	n := runtime.GOMAXPROCS(0)
	w.encoders, w.last = make(chan *encoder, n), make(chan struct{})
	close(w.last)
	for range n {
		w.encoders <- &encoder{group: w.out.BeginRowGroup(), records: make([]record, flatRows)}
	}
	return w, nil
}

func newParquetWriter(f io.Writer, meta, devices string) *parquet.GenericWriter[any] {
	return parquet.NewGenericWriter[any](f, parquetSchema,
		parquet.KeyValueMetadata(metaVersion, strconv.Itoa(SchemaVersion)),
		parquet.KeyValueMetadata(metaMeta, meta),
		parquet.KeyValueMetadata(metaDevices, devices),
		parquet.DictionaryMaxBytes(maxDictionary),
		parquet.CreatedBy("bench", strconv.Itoa(SchemaVersion), "parquet-go"))
}

// Write appends rows. It does not keep the slice, but until Close the lists
// that the rows hold (samples, flags, predictions) must not be changed. After
// an error the file will not appear; call Abort or Close.
func (w *Writer) Write(rows []Row) error {
	for len(rows) > 0 && w.err() == nil {
		n := min(rowGroupRows-len(w.pending), len(rows))
		w.pending = append(w.pending, rows[:n]...)
		if rows = rows[n:]; len(w.pending) == rowGroupRows {
			w.dispatch()
		}
	}
	return w.err()
}

func (w *Writer) err() error {
	if err := w.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *Writer) fail(err error) {
	if err != nil {
		err = fmt.Errorf("%s: %w", w.path, err)
		w.failed.CompareAndSwap(nil, &err)
	}
}

// dispatch hands the pending rows to the next idle encoder. Row groups reach
// the file in their order.
func (w *Writer) dispatch() {
	if len(w.pending) == 0 {
		return
	}
	e := <-w.encoders
	e.rows, w.pending = w.pending, e.rows[:0]
	before, done := w.last, make(chan struct{})
	w.last = done
	go func() {
		defer func() { clear(e.rows); w.encoders <- e; close(done) }()
		err := e.encode(w.runID)
		<-before
		if err == nil && w.err() == nil {
			_, err = e.group.Commit()
		}
		w.fail(err)
	}()
}

// encode writes the rows to the row group, some at a time, column by column.
func (e *encoder) encode(runID string) error {
	columns := e.group.ColumnWriters()
	for rows := e.rows; len(rows) > 0; {
		n := min(flatRows, len(rows))
		for i := range n {
			if err := e.records[i].flatten(&rows[i], runID); err != nil {
				return err
			}
		}
		for i := range fields {
			if allNull(&fields[i], e.records[:n]) {
				if _, err := columns[i].WriteRowValues(nulls[:n]); err != nil {
					return fmt.Errorf("column %s: %w", fields[i].name, err)
				}
				continue
			}
			e.values = appendValues(e.values[:0], &fields[i], i, e.records[:n])
			if _, err := columns[i].WriteRowValues(e.values); err != nil {
				return fmt.Errorf("column %s: %w", fields[i].name, err)
			}
		}
		rows = rows[n:]
	}
	for _, c := range columns {
		// Compressed here, and not in Commit, which is one at a time.
		if err := c.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Close completes the file: footer, fsync, rename, fsync of the folder. On any
// error the temporary file is removed and path is untouched.
func (w *Writer) Close() error {
	if w.err() == nil {
		w.dispatch()
	}
	<-w.last
	if w.err() == nil {
		w.fail(w.out.Close())
	}
	if err := w.err(); err != nil {
		w.Abort()
		return err
	}
	err := publish(w.file, w.path)
	w.fail(errors.New("the file is closed"))
	return err
}

// Abort gives the file up. It does nothing after a successful Close.
func (w *Writer) Abort() {
	w.fail(errors.New("the file was given up"))
	<-w.last
	w.file.Close()
	os.Remove(w.file.Name())
}

// publish makes a temporary file appear at path, durably.
func publish(f *os.File, path string) error {
	// CreateTemp makes files that only the owner can read.
	err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("%s could not be written: %w", path, err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename or a new file in the folder survive a crash.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WriteFile writes a whole run.
func WriteFile(path string, run *Run) error {
	w, err := CreateFile(path, run.Meta, run.Devices)
	if err != nil {
		return err
	}
	w.Write(run.Rows)
	return w.Close()
}

// parallel calls do for 0 … n−1 on all cores and returns the first error.
func parallel(n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// nulls are what a column gets that is null in all rows: most are, in rows of
// one suite.
var nulls = make([]parquet.Value, flatRows)

func allNull(f *field, records []record) bool {
	for i := range records {
		if !f.null(&records[i]) {
			return false
		}
	}
	return true
}

// appendValues appends a column's values, with their levels: null is level 0,
// and the further elements of a list repeat at level 1.
func appendValues(v []parquet.Value, f *field, at int, records []record) []parquet.Value {
	null := parquet.NullValue().Level(0, 0, at)
	missing := func(r *record) bool { return f.present == nil || !f.present(r) }
	for i := range records {
		r := &records[i]
		switch {
		case f.integer != nil:
			if x := *f.integer(r); x != 0 || !missing(r) {
				v = append(v, parquet.Int64Value(x).Level(0, 1, at))
				continue
			}
		case f.float != nil:
			// -0 differs from 0 and is kept.
			if x := *f.float(r); math.Float64bits(x) != 0 || !missing(r) {
				v = append(v, parquet.DoubleValue(x).Level(0, 1, at))
				continue
			}
		case f.text != nil:
			if x := *f.text(r); x != "" || !missing(r) {
				v = append(v, textValue(x).Level(0, 1, at))
				continue
			}
		case f.flag != nil:
			if x := *f.flag(r); x || !missing(r) {
				v = append(v, parquet.BooleanValue(x).Level(0, 1, at))
				continue
			}
		case f.floats != nil:
			if list := *f.floats(r); len(list) > 0 {
				for j, x := range list {
					v = append(v, parquet.DoubleValue(x).Level(min(j, 1), 2, at))
				}
				continue
			}
		default:
			if list := *f.texts(r); len(list) > 0 {
				for j, x := range list {
					v = append(v, textValue(x).Level(min(j, 1), 2, at))
				}
				continue
			}
		}
		v = append(v, null)
	}
	return v
}

// textValue points at the string's bytes, which the column writer copies. Text
// that is not UTF-8, which Parquet's strings must be, is mended.
func textValue(s string) parquet.Value {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return parquet.ByteArrayValue(unsafe.Slice(unsafe.StringData(s), len(s)))
}
